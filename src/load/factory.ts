import { checkTagsOfEntry } from '../cache/call-options.js';
import type { CacheContext } from '../cache/context.js';
import type { TagGenerations } from '../codec/entry.js';
import type { MaybePromise } from '../codec/serializers.js';
import { isLoadTraced, type ReadTier, traceLoad } from '../telemetry/events.js';
import { checkTime, type Duration, type Milliseconds, milliseconds, redisTtl, type Ttl } from '../ttl.js';
import type { LoadPlan } from './load-options.js';
import type { FirstLook, Flight } from './single-flight.js';

/** What the function of `getOrSet` receives. */
export interface FactoryContext<T = unknown> {
  readonly key: string;
  /** Aborted when the store is disconnected and work under way had its time to end. */
  readonly signal: AbortSignal;
  /** The old value that this call refreshes, as a copy; `undefined` if there is none, or none that may be served. */
  readonly stale: T | undefined;
  /** Does not store the result of this call: only its callers in this process get it. An old value stays. */
  skip(): void;
  /** Sets the time to live of the result, if it depends on the value: milliseconds, or text such as `'5m'`. */
  setTtl(ttl: Ttl): void;
  /** Sets how many milliseconds after its time to live the result is served while it is refreshed, in place of `staleFor`. */
  setStaleFor(time: Duration): void;
  /**
   * Adds tags that depend on what the function reads. Call it before reading what they stand for: once it has resolved, a later invalidation
   * wins. If the tags cannot be read, the result is not stored.
   */
  setTags(tags: readonly string[]): Promise<void>;
}

/** Makes the value of a key. Its rejection reaches its callers and is never stored. */
export type Factory<T> = (context: FactoryContext<T>) => T | Promise<T>;

/** One call of the function, and what the function said about its result. */
export class FactoryCall implements FactoryContext {
  isSkipped = false;
  /** The tags that the function added. */
  readonly tags: string[] = [];

  readonly #readGenerations: (tags: readonly string[]) => MaybePromise<TagGenerations>;
  readonly #reads: Promise<TagGenerations>[] = [];

  constructor(
    readonly key: string,
    readonly signal: AbortSignal,
    readonly stale: unknown,
    public ttl: Ttl,
    public staleFor: Milliseconds,
    readGenerations: (tags: readonly string[]) => MaybePromise<TagGenerations>,
  ) {
    this.#readGenerations = readGenerations;
  }

  /**
   * The generations of the added tags, of when each was added first: an invalidation between two `setTags` counts. `undefined` if the
   * function added none.
   */
  generations(): Promise<TagGenerations> | undefined {
    if (this.#reads.length === 0) return undefined;
    return Promise.all(this.#reads).then((reads) => new Map(reads.reverse().flatMap((generations) => [...generations])));
  }

  // Bound, so that a function can take them apart: `({ skip }) => …`.
  readonly skip = (): void => {
    this.isSkipped = true;
  };

  readonly setTtl = (ttl: Ttl): void => {
    if (ttl !== undefined) redisTtl(ttl);
    this.ttl = ttl;
  };

  readonly setStaleFor = (time: Duration): void => {
    const staleFor = milliseconds(time);
    checkTime('staleFor', staleFor, 0);
    this.staleFor = Math.ceil(staleFor as Milliseconds);
  };

  readonly setTags = async (tags: readonly string[]): Promise<void> => {
    const read = Promise.resolve(this.#readGenerations(checkTagsOfEntry(tags)));
    this.tags.push(...tags);
    this.#reads.push(read);
    // The load that stores the value reports a failure.
    await read.catch(() => {});
  };
}

/** Counts the calls of a function given to `getOrSet`, and traces them while the channel has a subscriber. */
export function observedFactory<T>(factory: Factory<T>, key: string, { counters, source }: CacheContext): Factory<T> {
  return (context) => {
    counters.loads++;
    if (!isLoadTraced()) return factory(context);
    return traceLoad({ source, key, renewal: context.stale !== undefined }, () => factory(context));
  };
}

/** Why an entry that was read is no value: its tags were invalidated, or it cannot be decoded, which was reported. */
export type Verdict = 'invalidated' | 'unreadable';

/** What to load. */
export interface Load {
  readonly key: string;
  readonly redisKey: string;
  /** The key of the lease; `undefined` if there can be none. */
  readonly lease: string | undefined;
  readonly factory: Factory<unknown>;
  readonly plan: LoadPlan;
  /** What was read before the load began. */
  readonly look?: FirstLook | undefined;
  /** Called when the function is not called now, because the value is made elsewhere. */
  readonly onWait?: (() => void) | undefined;
  /** A value was served already: what fails is told by a RefreshError. */
  readonly isRefresh?: boolean | undefined;
  /** Why the entry of that read is no value, if that is known. */
  readonly verdict?: Verdict | undefined;
}

/** A load under way. */
export interface LoadRun extends Load {
  readonly flight: Flight;
}

/**
 * Where a value of `getOrSet` came from.
 *
 * - `near`: the near tier.
 * - `redis`: Redis.
 * - `stale`: an entry past its time to live, which is being refreshed.
 * - `made`: the function, called for this caller.
 * - `waited`: the function, called for another caller or in another process, for which this call waited.
 * - `offline`: the memory of the option `offline`, while Redis is away.
 */
export type LoadTier = ReadTier | 'made' | 'waited';

/** The value for one caller, and copies for callers that share the load, so that none sees the changes of another. */
export interface LoadResult {
  readonly value: unknown;
  readonly tier: LoadTier;
  copy(): MaybePromise<unknown>;
}

/** Whether a caller could change the value. */
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
