import { agingOf, mayBeStale } from './codec/aging.js';
import type { Codec, Stored } from './codec/codec.js';
import type { MaybePromise } from './codec/serializers.js';
import { missing, never } from './commands/commands.js';
import type { OrderedCommands } from './commands/in-order.js';
import { batch } from './commands/redis.js';
import type { Clear } from './commands/waiting-clears.js';
import type { CallOptions } from './connection/guard.js';
import { performance } from './connection/real-time.js';
import type { Events } from './events.js';
import { Allowance } from './extras/allowance.js';
import type { Background } from './extras/background.js';
import { Returns } from './extras/returns.js';
import type { SingleFlight } from './extras/single-flight.js';
import { TagMemory } from './extras/tag-memory.js';
import { type TagSettings, Tags } from './extras/tags.js';
import { Values } from './extras/values.js';
import type { TagsOf } from './extras/write-options.js';
import { FailurePolicy, type OnFailure } from './failure.js';
import type { KeySpace } from './keys/keyspace.js';
import { holdsValue } from './near/commands.js';
import { NearReader } from './near/reader.js';
import type { NearTier } from './near/tier.js';
import type { Counters } from './telemetry/counters.js';
import { observed, type SawReads, sawReads } from './telemetry/observed.js';
import { tracer, type Verbs } from './telemetry/traced.js';
import type { Source } from './telemetry/tracing.js';
import type { Milliseconds, TtlPolicy } from './ttl.js';
import { unawaited } from './unawaited.js';

export interface CacheParts {
  readonly keys: KeySpace;
  readonly ttl: TtlPolicy;
  readonly codec: Codec;
  readonly verbs: Verbs;
  readonly events: Events;
  readonly counters: Counters;
  readonly source: Source;
  readonly onFailure: OnFailure;
  /** Whether wrong arguments reject. Under Keyv, which has no place for that, they are failures like others. */
  readonly strict: boolean;
  /** Keeps a clear that failed with this error until Redis can be reached; `false` if it cannot wait. Left out: none can. */
  readonly clearLater?: ((error: unknown, clear: Clear) => boolean) | undefined;
  readonly isCacheable: (value: unknown) => boolean;
  /** The tags that the option gives an entry. */
  readonly tagsOf?: TagsOf | undefined;
  readonly tagging: TagSettings;
  /** The verbs with other bounds. */
  readonly within: (bounds: CallOptions) => Verbs;
  /** What this process keeps of Redis, where it does. The verbs see to it that it is filled and true. */
  readonly near?: NearTier | undefined;
  /** Counts reads and tells of them. Default: all of them. */
  readonly saw?: SawReads | undefined;
  /** The bound of the commands. */
  readonly timeout: Milliseconds;
  /** Aborted when the callers of these verbs give up. */
  readonly signal?: AbortSignal | undefined;
  /** When Redis last failed this process, on the monotonic clock. Left out: never. */
  readonly failedAt?: (() => Milliseconds) | undefined;
  /** Whether there is a connection, or the first is being made. Left out: always. */
  readonly reachable?: (() => boolean) | undefined;
  /** The loads under way in this process. */
  readonly flights: SingleFlight;
  /** What goes on when no caller waits for it. */
  readonly background: Background;
  /** Leases and locks that are to be given back. Left out: a new one. */
  readonly returns?: Returns | undefined;
  /** What the views of a store know of its tags together. Left out: a new one. */
  readonly tagMemory?: TagMemory | undefined;
  /** Draws when `getOrSet` renews early. Default: Math.random. No option: a spec that needs a seed makes a cache of another's parts. */
  readonly random?: (() => number) | undefined;
}

/** The parts, and the verbs as the cache uses them: counted, told of, traced. */
export type Wired<Parts> = Parts & { readonly commands: OrderedCommands; readonly returns: Returns; readonly tagMemory: TagMemory };

/** What can be read of single entries, and what every operation needs: the other half of {@link Cache}. */
export abstract class Reads {
  /** @internal */
  protected readonly parts: Wired<CacheParts>;
  /** @internal */
  protected readonly policy: FailurePolicy;
  /** @internal */
  protected readonly tags: Tags;
  /** @internal */
  protected readonly saw: SawReads;
  /** @internal */
  protected readonly values: Values;
  readonly #near: NearReader | undefined;

  /** @internal */
  constructor(parts: CacheParts) {
    const commands = observed(parts.verbs(tracer(parts.keys, parts.source)), parts);
    const tagMemory = parts.tagMemory ?? new TagMemory();
    this.parts = { ...parts, commands, returns: parts.returns ?? new Returns(commands, parts.background, parts.reachable), tagMemory };
    this.saw = parts.saw ?? sawReads;
    this.policy = new FailurePolicy(parts);
    this.tags = new Tags(this.parts.commands, parts.keys, parts.tagging, parts.timeout, tagMemory);
    this.#near = parts.near && new NearReader(parts.near, parts.keys);
    const { keys, codec, near } = parts;
    this.values = new Values({ keys, codec, near, reader: this.#near, tags: this.tags, policy: this.policy });
  }

  /**
   * The value under the key, or `undefined`. Redis: GET.
   * Fails open: `undefined` and an `error` event. An entry past its `ttl` is a miss, also where `getOrSet` may still serve it.
   */
  get<T>(key: string): Promise<T | undefined> {
    return this.policy.reading(key, this.#get<T>(key));
  }

  async #get<T>(key: string): Promise<T | undefined> {
    let wire: string;
    let stored: Stored | null;
    let near: boolean;
    try {
      const kept = this.#near?.find(key);
      if (this.values.tells(kept)) {
        this.saw.kept(this.parts, 'get', key, kept);
        return (kept.shared ? kept.value : this.values.ofKept('get', key, kept)) as T;
      }
      near = holdsValue(kept) && !mayBeStale(kept.stored);
      const begun = performance.now();
      const ahead = this.tags.ahead();
      wire = this.#wire(key);
      stored = await this.parts.commands.get(wire);
      if (mayBeStale(stored) || this.tags.concern(stored)) stored = await this.#opened(wire, stored, begun, ahead);
    } catch (error) {
      return this.policy.recover({ name: 'get', key }, error, undefined);
    }
    return this.#read('get', key, stored, wire, near) as T;
  }

  /** The values under the keys, in their order, `undefined` where there is none. Redis: MGET. Fails open. */
  getMany<T>(keys: readonly string[], name = 'getMany'): Promise<(T | undefined)[]> {
    return unawaited(this.#getMany<T>(keys, name));
  }

  async #getMany<T>(keys: readonly string[], name: string): Promise<(T | undefined)[]> {
    if (keys.length === 0) return [];
    let wires: string[];
    let found: (Stored | null)[];
    let near: boolean[] | undefined;
    try {
      const begun = performance.now();
      const ahead = this.tags.ahead();
      wires = keys.map((key) => this.#wire(key));
      near = this.parts.near && wires.map((wire) => this.values.isNear(wire));
      found = await this.parts.commands.getMany(wires);
      const allowance = this.#allowance(begun, keys.length);
      if (found.some(mayBeStale)) {
        const fresh = found.map((stored, i) => (mayBeStale(stored) ? this.#unstale(wires[i] as string) : stored));
        found = await allowance.within(Promise.all(fresh));
      }
      if (found.some((stored) => this.tags.concern(stored))) found = await allowance.within(this.tags.openMany(found, ahead));
    } catch (error) {
      return this.policy.recover(
        { name },
        error,
        keys.map(() => undefined),
      );
    }
    const values = found.map((stored, i) => this.#read(name, keys[i] as string, stored, wires[i] as string, near?.[i]));
    // Only a decoder that takes time makes promises.
    return (values.some((value) => value instanceof Promise) ? Promise.all(values) : values) as Promise<(T | undefined)[]>;
  }

  /** Whether the key exists. Redis: EXISTS, so the cost does not depend on the size of the value. Fails open: `false`. */
  has(key: string): Promise<boolean> {
    return this.policy.open(
      { name: 'has', key },
      async () => {
        const wire = this.#wire(key);
        return this.tags.ifAlive(wire, this.parts.commands.has(wire), false);
      },
      false,
    );
  }

  /** Whether each key exists, in order. Redis: EXISTS, pipelined. Fails open: `false` for all. */
  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return this.policy.open(
      { name: 'hasMany' },
      async () => {
        const wires = keys.map((key) => this.#wire(key));
        return this.tags.exact ? this.tags.living(wires) : this.parts.commands.hasMany(wires);
      },
      keys.map(() => false),
    );
  }

  /** Milliseconds until the key expires; `-1`: never; `-2`: there is no such key. Redis: PTTL. Fails open: `-2`. */
  ttl(key: string): Promise<Milliseconds> {
    return this.policy.open(
      { name: 'ttl', key },
      async () => {
        const wire = this.#wire(key);
        return this.tags.ifAlive(wire, this.parts.commands.pttl(wire), missing);
      },
      missing,
    );
  }

  /** Milliseconds until the key expires; `null`: never; `undefined`: there is no such key. Redis: PTTL. Fails open: `undefined`. */
  remainingTtl(key: string): Promise<Milliseconds | null | undefined> {
    const inWords = (left: Milliseconds): Milliseconds | null | undefined => (left === missing ? undefined : left === never ? null : left);
    return unawaited(this.ttl(key).then(inWords));
  }

  /** The value that was read: a hit or a miss, which is counted and told of here. `near`: the near tier answered. */
  #read(name: string, key: string, stored: Stored | null, wire: string, near = false): MaybePromise<unknown> {
    this.saw.read(this.parts, name, key, stored, near);
    return stored === null ? undefined : this.values.of(name, key, stored, wire);
  }

  #wire(key: string): string {
    return this.parts.keys.toWire(key);
  }

  /** What is left of the time of an operation that has asked for something already; `keys`: of so many, in batches. */
  #allowance(begun: Milliseconds, keys = 1): Allowance {
    return new Allowance(this.parts.timeout * Math.ceil(keys / batch), begun);
  }

  /** What an entry holds that may be stale, by its age or its tags, in what is left of the time since `begun`. */
  async #opened(wire: string, found: Stored | null, begun: Milliseconds, ahead?: Promise<unknown>): Promise<Stored | null> {
    const allowance = this.#allowance(begun);
    const stored = mayBeStale(found) ? await allowance.within(this.#unstale(wire)) : found;
    return this.tags.concern(stored) ? allowance.within(this.tags.open(stored, ahead)) : stored;
  }

  /** What an entry with a stale window holds, as long as it is not stale. Its time to live ends before its time in Redis. */
  async #unstale(wire: string): Promise<Stored | null> {
    const { stored, left } = await this.parts.commands.getWithTtl(wire);
    const staleFor = stored === null ? 0 : (agingOf(stored)?.staleFor ?? 0);
    return left < 0 || left > staleFor ? stored : null;
  }
}
