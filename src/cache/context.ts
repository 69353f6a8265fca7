import type { StoredEntry } from '../codec/entry.js';
import type { StandardSchema } from '../codec/schema.js';
import type { Codec } from '../codec/serializers.js';
import type { OrderedCommands } from '../commands/commands.js';
import type { Clear } from '../commands/pending-deletions.js';
import type { ReleaseQueue } from '../commands/release-queue.js';
import type { CallBounds } from '../connection/guard.js';
import type { KeySpace } from '../keys/keyspace.js';
import type { OfflineMemory } from '../near/offline.js';
import type { NearTier } from '../near/tier.js';
import type { Events, Source } from '../telemetry/events.js';
import type { Counters } from '../telemetry/stats.js';
import type { Background } from '../time/background.js';
import type { Milliseconds, TtlPolicy } from '../ttl.js';
import type { LoadsUnderWay } from './loads-under-way.js';
import type { Sliding } from './sliding.js';
import type { TagMemory } from './tag-generations.js';

/** What reaches Redis, or answers in its place. */
export interface Engine {
  /** Recorded, traced, ordered, and with the near tier in front if there is one. */
  readonly commands: OrderedCommands;
  /** The same with other bounds. */
  commandsWithin(bounds: CallBounds): OrderedCommands;
  readonly near?: NearTier | undefined;
  /** What is served while Redis is away: the option `offline`. */
  readonly offline?: OfflineMemory | undefined;
  /** When Redis last failed this process, on the monotonic clock. Left out: never. */
  readonly failedAt?: (() => Milliseconds) | undefined;
  /** Keeps a clear that failed with this error until Redis is back. @returns false if it cannot wait. Left out: none can. */
  readonly clearLater?: ((error: unknown, clear: Clear) => boolean) | undefined;
}

/** The result of a failed read or write: `'miss'` gives the caller a miss, `'throw'` the error. */
export type OnFailure = 'miss' | 'throw';

/** The tags of an entry, as the option of that name gives them. */
export type TagsOf = (key: string, value: unknown) => readonly string[];

export interface TagSettings {
  /** Whether every entry carries the generation of the store: the option `lazyClear`. */
  readonly lazy: boolean;
  /** Whether `has`, `ttl`, `keys` and the like check tags: if an option says that entries may carry some. */
  readonly strict: boolean;
}

/** What the operations of a cache need. */
export interface CacheContext extends Engine {
  readonly keys: KeySpace;
  /** The key space of another version; left out if a function of the user makes the keys. */
  readonly keysOf?: ((version: string | undefined) => KeySpace) | undefined;
  readonly prefix: string;
  readonly version?: string | undefined;
  /** Whether the store may delete every key of its database. */
  readonly wholeDatabase: boolean;
  /** Whether keys in Redis can be turned back into callers' keys, so that scans know their own. */
  readonly isReversible: boolean;
  readonly ttl: TtlPolicy;
  readonly codec: Codec;
  readonly events: Events;
  readonly counters: Counters;
  readonly source: Source;
  readonly onFailure: OnFailure;
  /** Whether wrong arguments reject. Under Keyv, whose contract has no place for that, they are failures like others. */
  readonly strict: boolean;
  readonly isCacheable: (value: unknown) => boolean;
  /** What values have to match: that of a typed view. */
  readonly schema?: StandardSchema | undefined;
  /** Callers get other values than those of the store: the near tier, which may share decoded ones, shares none with them. */
  readonly hasOwnForm?: boolean | undefined;
  /** Values are in the envelope of a Keyv, in which Redis cannot count. */
  readonly isEnveloped?: boolean | undefined;
  /** The tags that the option gives an entry. */
  readonly tagsOf?: TagsOf | undefined;
  readonly tagging: TagSettings;
  readonly tagMemory: TagMemory;
  /** The deadline of one command. */
  readonly timeout: Milliseconds;
  /** Aborted when the callers of this cache give up. Then their calls reject, whatever `onFailure` says. */
  readonly signal?: AbortSignal | undefined;
  readonly loads: LoadsUnderWay;
  readonly background: Background;
  readonly releases: ReleaseQueue;
  readonly sliding: Sliding;
  /** Renews the time to live of an entry that was read, in a view with sliding expiration. */
  readonly slide?: ((key: string, entry: StoredEntry) => void) | undefined;
  /** Misses are not recorded: a tier behind this one answers them. */
  readonly recordsHitsOnly?: boolean | undefined;
}
