import { performance } from 'node:perf_hooks';
import { agingOf, mayBeStale } from './codec/aging.js';
import type { Codec, Stored } from './codec/codec.js';
import type { MaybePromise } from './codec/serializers.js';
import type { Stamps } from './codec/tag-header.js';
import { type Entry, type Leases, missing, never } from './commands/commands.js';
import type { OrderedCommands } from './commands/in-order.js';
import { batch } from './commands/redis.js';
import type { CallOptions } from './connection/guard.js';
import { answeredWithin, inOneTime } from './connection/in-one-time.js';
import { ArgumentError, expected, MissingKeyError, OutOfMemoryError, UnsupportedError } from './errors.js';
import type { Events } from './events.js';
import { Allowance } from './extras/allowance.js';
import type { Background } from './extras/background.js';
import type { Factory } from './extras/factory.js';
import { Loader } from './extras/get-or-set.js';
import { type GetOrSetOptions, parseLoadOptions } from './extras/load-options.js';
import type { SingleFlight } from './extras/single-flight.js';
import { type TagSettings, Tags } from './extras/tags.js';
import { Values } from './extras/values.js';
import { allTags, type TagsOf, type WriteOptions, written } from './extras/write-options.js';
import { FailurePolicy, type OnFailure } from './failure.js';
import type { KeySpace } from './keys/keyspace.js';
import { holdsValue } from './near/commands.js';
import { NearReader } from './near/reader.js';
import type { NearTier } from './near/tier.js';
import type { Counters } from './telemetry/counters.js';
import { observedLoad } from './telemetry/loads.js';
import { observed, type SawReads, sawReads } from './telemetry/observed.js';
import { tracer, type Verbs } from './telemetry/traced.js';
import type { Source } from './telemetry/tracing.js';
import type { Milliseconds, Ttl, TtlPolicy } from './ttl.js';

export interface CacheParts {
  readonly keys: KeySpace;
  readonly ttl: TtlPolicy;
  readonly codec: Codec;
  readonly verbs: Verbs;
  readonly events: Events;
  readonly counters: Counters;
  readonly source: Source;
  readonly onFailure: OnFailure;
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
  /** The loads under way in this process. */
  readonly flights: SingleFlight;
  /** What goes on when no caller waits for it. */
  readonly background: Background;
  /** Draws when `getOrSet` renews early. Default: Math.random. No option: a spec that needs a seed makes a cache of another's parts. */
  readonly random?: (() => number) | undefined;
}

/** The parts, and the verbs as the cache uses them: counted, told of, traced. */
export type Wired<Parts> = Parts & { readonly commands: OrderedCommands };

/** What `incr`, `decr` count with. */
export interface CounterOptions {
  /** Where a missing key starts counting from. Without it a missing key is an error. */
  readonly initial?: number | undefined;
  /** Time to live of a key that this call creates. Default: the store's. An existing key keeps its own. */
  readonly ttl?: Ttl;
}

/**
 * The path of an operation: key → codec → command. The faces translate their contract to these methods and do nothing
 * else. Shapes and errors are said here once.
 */
export class Cache {
  /** @internal */
  protected readonly parts: Wired<CacheParts>;
  /** @internal */
  protected readonly policy: FailurePolicy;
  /** @internal */
  protected readonly tags: Tags;
  readonly #near: NearReader | undefined;
  readonly #saw: SawReads;
  readonly #values: Values;
  readonly #loader: Loader;

  /** @internal */
  constructor(parts: CacheParts) {
    this.parts = { ...parts, commands: observed(parts.verbs(tracer(parts.keys, parts.source)), parts) };
    this.#saw = parts.saw ?? sawReads;
    this.policy = new FailurePolicy(parts.events, parts.onFailure, parts.counters);
    this.tags = new Tags(this.parts.commands, parts.keys, parts.tagging);
    this.#near = parts.near && new NearReader(parts.near, parts.keys);
    const { commands, flights, background, keys, codec, near, timeout, counters } = this.parts;
    this.#values = new Values({ keys, codec, near, reader: this.#near, tags: this.tags, policy: this.policy });
    this.#loader = new Loader({
      commands,
      flights,
      background,
      timeout,
      counters,
      tags: this.tags,
      random: parts.random,
      report: (key, error) => this.policy.report({ name: 'getOrSet', key }, error),
      near: (wire) => this.#values.isNear(wire),
      saw: (key, stored, near) => this.#saw.read(this.parts, 'getOrSet', key, stored, near),
      decoded: ({ key, wire }, stored) => this.#values.decoded('getOrSet', key, stored, wire),
      entry: ({ key }, value, how, stamps) => this.#entry(key, value, how, stamps),
      encoded: ({ wire }, value) => codec.encode(value, wire),
    });
  }

  /**
   * The value under the key, or `undefined`. Redis: GET.
   * Fails open: `undefined` and an `error` event. An entry past its `ttl` is a miss, also where `getOrSet` may still serve it.
   */
  async get<T>(key: string): Promise<T | undefined> {
    let wire: string;
    let stored: Stored | null;
    let near: boolean;
    try {
      const kept = this.#near?.find(key);
      if (this.#values.tells(kept)) {
        this.#saw.kept(this.parts, 'get', key, kept);
        return (kept.shared ? kept.value : this.#values.ofKept('get', key, kept)) as T;
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
  async getMany<T>(keys: readonly string[], name = 'getMany'): Promise<(T | undefined)[]> {
    if (keys.length === 0) return [];
    let wires: string[];
    let found: (Stored | null)[];
    let near: boolean[] | undefined;
    try {
      const begun = performance.now();
      const ahead = this.tags.ahead();
      wires = keys.map((key) => this.#wire(key));
      near = this.parts.near && wires.map((wire) => this.#values.isNear(wire));
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

  /**
   * Stores a value. Redis: SET with PX.
   * Values that `isCacheable` refuses are not stored. Fails open: nothing is stored, and an `error` event says so.
   *
   * @param how milliseconds; `0`, `null` or `Infinity` for ever; the default of the store where it is left out. Or `{ ttl, tags }`
   * @returns whether the value was stored
   */
  async put(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    try {
      const entry = this.#entry(key, value, how);
      if (entry === undefined) return false;
      this.parts.flights.forget(entry.key);
      await this.parts.commands.set(entry.key, entry.value, entry.ttl);
      return true;
    } catch (error) {
      this.#leaveNothingOld(key, error);
      return this.policy.recover({ name: 'set', key }, error, false);
    }
  }

  /** Stores each entry as `set` would, in pipelines without a transaction. Fails open, entry by entry. @returns whether each was stored */
  async putMany(
    entries: readonly (readonly [key: string, value: unknown, how?: Ttl | WriteOptions])[],
    name = 'setMany',
  ): Promise<boolean[]> {
    const stored = entries.map(() => false);
    const encoded: Entry<MaybePromise<Stored>>[] = [];
    const positions: number[] = [];
    for (const [i, [key, value, how]] of entries.entries()) {
      try {
        const entry = this.#entry(key, value, how);
        if (entry === undefined) continue;
        this.parts.flights.forget(entry.key);
        // Where it comes to nothing before all are sent, nobody else would see it fail.
        if (entry.value instanceof Promise) entry.value.catch(() => {});
        encoded.push(entry);
        positions.push(i);
      } catch (error) {
        this.policy.recover({ name, key }, error, undefined);
      }
    }
    if (encoded.length === 0) return stored;
    try {
      for (const [i, result] of (await this.parts.commands.setMany(encoded)).entries()) {
        const position = positions[i] as number;
        const key = entries[position]?.[0] as string;
        if (result.status === 'fulfilled') stored[position] = true;
        else {
          this.#leaveNothingOld(key, result.reason);
          this.policy.recover({ name, key }, result.reason, undefined);
        }
      }
      return stored;
    } catch (error) {
      return this.policy.recover({ name }, error, stored);
    }
  }

  /** Deletes. Redis: UNLINK. Fails loud. @returns how many of the keys existed */
  remove(keys: readonly string[], name = 'del'): Promise<number> {
    return this.policy.loud({ name, key: keys.length === 1 ? keys[0] : undefined }, async () => {
      if (keys.length === 0) return 0;
      const { wires, leases } = this.#leased(keys);
      return this.parts.commands.del(wires, leases);
    });
  }

  /** Deletes each. Redis: UNLINK, pipelined. Fails loud. @returns whether each key existed, in order */
  removeEach(keys: readonly string[]): Promise<boolean[]> {
    return this.policy.loud({ name: 'deleteMany' }, async () => {
      const { wires, leases } = this.#leased(keys);
      return this.parts.commands.delEach(wires, leases);
    });
  }

  /** Deletes, and asks nobody whether they were there. Redis: UNLINK; one for the single deletions of a tick. Fails loud. */
  async discard(keys: readonly string[], name = 'del'): Promise<void> {
    await this.policy.loud<unknown>({ name, key: keys.length === 1 ? keys[0] : undefined }, async () => {
      const { wires, leases } = this.#leased(keys);
      if (wires.length === 1) return this.parts.commands.drop(wires[0] as string, leases[0]);
      return wires.length === 0 ? undefined : this.parts.commands.del(wires, leases, true);
    });
  }

  /** Whether the key exists. Redis: EXISTS, so the cost does not depend on the size of the value. Fails open: `false`. */
  has(key: string): Promise<boolean> {
    return this.policy.open(
      { name: 'has', key },
      async () => {
        const wire = this.#wire(key);
        return this.#ifAlive(wire, this.parts.commands.has(wire), false);
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
        return this.tags.exact ? this.#inTime(this.tags.living(wires), wires.length) : this.parts.commands.hasMany(wires);
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
        return this.#ifAlive(wire, this.parts.commands.pttl(wire), missing);
      },
      missing,
    );
  }

  /** Milliseconds until the key expires; `null`: never; `undefined`: there is no such key. Redis: PTTL. Fails open: `undefined`. */
  async remainingTtl(key: string): Promise<Milliseconds | null | undefined> {
    const left = await this.ttl(key);
    if (left === missing) return undefined;
    return left === never ? null : left;
  }

  /**
   * Gives the key a new time to live; the default where it is left out, which a `ttl` function has to give for `undefined`,
   * for the value is not read. Redis: PEXPIRE, or PERSIST for ever. Fails loud.
   *
   * @returns whether the key exists
   */
  touch(key: string, ttl?: Ttl): Promise<boolean> {
    return this.policy.loud({ name: 'touch', key }, async () => {
      const wire = this.#wire(key);
      const time = this.parts.ttl(ttl);
      return this.#ifAlive(wire, this.parts.commands.expire(wire, time), false);
    });
  }

  /** Takes the time to live away, so that the entry never expires. Redis: PERSIST. Fails loud. @returns whether there was one to take away */
  persist(key: string): Promise<boolean> {
    return this.policy.loud({ name: 'persist', key }, async () => {
      const wire = this.#wire(key);
      return this.#ifAlive(wire, this.parts.commands.persist(wire), false);
    });
  }

  /** Stores the value only where the key does not exist, atomically. Redis: SET NX. Fails loud. @returns whether it was stored */
  add(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    return this.policy.loud({ name: 'add', key }, async () => {
      const entry = this.#entry(key, value, how);
      if (entry === undefined) return false;
      return inOneTime(this.parts.timeout, (goOn) => this.tags.add(entry.key, entry.value, entry.ttl, entry.tagged, goOn));
    });
  }

  /**
   * Adds to an integer, atomically. Redis: INCRBY in a script. The time to live stays. Fails loud.
   *
   * @returns the sum; with `initial`, a missing key counts from there: `incr('hits', 1, { initial: 0 })` gives 1
   * @throws {MissingKeyError} where the key does not exist and there is no `initial`
   * @throws {CommandError} where the value is no integer, or the sum would not be exact (beyond ±2^53)
   * @throws {UnsupportedError} under `encryption`
   */
  incr(key: string, delta = 1, options: CounterOptions = {}): Promise<number> {
    return this.#count('incr', key, delta, options);
  }

  /** Subtracts from an integer: `incr` with the sign turned. */
  decr(key: string, delta = 1, options: CounterOptions = {}): Promise<number> {
    return this.#count('decr', key, -delta, options);
  }

  /**
   * The value under the key; where there is none, `value` (or what the function returns), which is stored. Redis: GET; where
   * there is none, SET NX of a lease, GET, and a script that stores.
   *
   * At a time one call of the function runs for all callers of this process, and for all processes: the others wait for what
   * the first stores. A deletion while it runs wins: its result goes to those who wait for it and is not stored. Its errors are the
   * callers' to see and are never stored. Where Redis cannot be asked the function runs all the same.
   *
   * @param options the time to live, or {@link GetOrSetOptions}: serving stale values, renewing early, timeouts
   * @throws {FactoryTimeoutError} after `hardTimeout`
   */
  async getOrSet<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    const wire = this.#wire(key);
    const plan = parseLoadOptions(options);
    const make = typeof value === 'function' ? observedLoad(value as Factory<unknown>, key, this.parts) : () => value;
    return (await this.#loader.load({ key, wire, lease: this.parts.keys.beside?.(wire, 'l'), make, plan })) as T;
  }

  /** Takes the value out: reads and deletes it, atomically, also one past its `ttl` that is kept to be served stale. Redis: GETDEL, and UNLINK of the lease of a load. Fails loud. */
  getAndDelete<T>(key: string): Promise<T | undefined> {
    return this.policy.loud({ name: 'getAndDelete', key }, async () => {
      const { commands } = this.parts;
      const begun = performance.now();
      const { wires, leases } = this.#leased([key]);
      const [wire, lease] = [wires[0] as string, leases[0]];
      // As with every deletion the lease goes first, so that a load under way stores nothing behind it.
      const ending = lease === undefined ? undefined : commands.del([lease], undefined, true);
      ending?.catch(() => {});
      let stored = await commands.getAndDelete(wire);
      // What was taken is never lost for that.
      if (stored === null) await ending;
      if (this.tags.concern(stored)) stored = await this.#allowance(begun).within(this.tags.open(stored));
      this.#saw.read(this.parts, 'getAndDelete', key, stored);
      return (stored === null ? undefined : this.#values.decoded('getAndDelete', key, stored, wire)) as T | undefined;
    });
  }

  /**
   * Makes every entry with one of the tags a miss, at once and for every process: as many keys are deleted as there are tags, and
   * the entries stay where they are until they expire or are written again. Redis: UNLINK, one round trip. Fails loud.
   */
  invalidateTags(tags: readonly string[]): Promise<void> {
    return this.policy.loud({ name: 'invalidateTags' }, async () => {
      // Any load under way may depend on them: who asks from now on does not share it.
      this.parts.flights.close();
      await this.tags.invalidate(tags);
    });
  }

  /** The value that was read: a hit or a miss, which is counted and told of here. `near`: the near tier answered. */
  #read(name: string, key: string, stored: Stored | null, wire: string, near = false): MaybePromise<unknown> {
    this.#saw.read(this.parts, name, key, stored, near);
    return stored === null ? undefined : this.#values.of(name, key, stored, wire);
  }

  /** A value that Redis has no room for was to replace what is there: that goes all the same, for deletions need no room. */
  #leaveNothingOld(key: string, error: unknown): void {
    if (error instanceof OutOfMemoryError) this.parts.commands.drop(this.#wire(key)).catch(() => {});
  }

  #wire(key: string): string {
    return this.parts.keys.toWire(key);
  }

  /** What is left of the time of an operation that has asked for something already; `keys`: of so many, in batches. */
  #allowance(begun: Milliseconds, keys = 1): Allowance {
    return new Allowance(this.parts.timeout * Math.ceil(keys / batch), begun);
  }

  /** For several commands one after the other. */
  #inTime<T>(work: Promise<T>, keys = 1): Promise<T> {
    return answeredWithin(work, this.parts.timeout * Math.ceil(keys / batch));
  }

  #ifAlive<T>(wire: string, answer: Promise<T>, gone: T): Promise<T> {
    return this.tags.exact ? this.#inTime(this.tags.ifAlive(wire, answer, gone)) : answer;
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

  /** The wire keys, and those of the leases that a deletion ends. Who asks for these keys from now on shares no load begun before. */
  #leased(keys: readonly string[]): { wires: string[]; leases: Leases } {
    const { keys: space, flights } = this.parts;
    const wires = keys.map((key) => this.#wire(key));
    for (const wire of wires) flights.forget(wire);
    return { wires, leases: wires.map((wire) => space.beside?.(wire, 'l')) };
  }

  /** What is to be written, or `undefined` for a value that shall not be stored. `earlier`: stamps of tags, read before the value was made. */
  #entry(
    key: string,
    value: unknown,
    how: Ttl | WriteOptions,
    earlier?: Stamps,
  ): (Entry<MaybePromise<Stored>> & { readonly tagged: boolean }) | undefined {
    const wire = this.#wire(key);
    const { ttl, tags: given } = written(how);
    const time = this.parts.ttl(ttl, value);
    if (value === undefined || !this.parts.isCacheable(value)) return undefined;
    const tags = allTags(given, this.parts.tagsOf, key, value);
    return { key: wire, value: this.tags.sealed(this.parts.codec.encode(value, wire), tags, earlier), ttl: time, tagged: tags.length > 0 };
  }

  #count(name: string, key: string, delta: number, { initial, ttl }: CounterOptions): Promise<number> {
    return this.policy.loud({ name, key }, async () => {
      if (this.tags.lazy)
        throw new UnsupportedError(`Redis cannot count what carries a generation: ${name} needs a store without \`lazyClear\``);
      if (this.parts.codec.sealed) throw new UnsupportedError(`Redis cannot count under \`encryption\`: ${name} needs a store without it`);
      if (!Number.isSafeInteger(delta)) throw new ArgumentError(expected('delta', 'an integer', delta));
      if (initial !== undefined && !Number.isSafeInteger(initial)) throw new ArgumentError(expected('initial', 'an integer', initial));
      const time = initial === undefined ? undefined : this.parts.ttl(ttl, initial);
      const sum = await this.parts.commands.incrBy(this.#wire(key), delta, initial, time);
      if (sum === undefined) throw new MissingKeyError();
      return sum;
    });
  }
}
