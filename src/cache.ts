import type { Codec, Stored } from './codec/codec.js';
import type { MaybePromise } from './codec/serializers.js';
import { type Entry, missing, never } from './commands/commands.js';
import type { OrderedCommands } from './commands/in-order.js';
import { ArgumentError, expected, MissingKeyError } from './errors.js';
import type { Events } from './events.js';
import { SingleFlight } from './extras/single-flight.js';
import { FailurePolicy, type OnFailure } from './failure.js';
import type { KeySpace } from './keys/keyspace.js';
import { type Milliseconds, type Ttl, type TtlPolicy, wireTtl } from './ttl.js';

export interface CacheParts {
  readonly keys: KeySpace;
  readonly ttl: TtlPolicy;
  readonly codec: Codec;
  readonly commands: OrderedCommands;
  readonly events: Events;
  readonly onFailure: OnFailure;
  readonly isCacheable: (value: unknown) => boolean;
}

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
  protected readonly parts: CacheParts;
  /** @internal */
  protected readonly policy: FailurePolicy;
  readonly #flights = new SingleFlight();

  /** @internal */
  constructor(parts: CacheParts) {
    this.parts = parts;
    this.policy = new FailurePolicy(parts.events, parts.onFailure);
  }

  /**
   * The value under the key, or `undefined`. Redis: GET.
   * Fails open: `undefined` and an `error` event.
   */
  async get<T>(key: string): Promise<T | undefined> {
    let stored: Stored | null;
    try {
      stored = await this.parts.commands.get(this.#wire(key));
    } catch (error) {
      return this.policy.recover({ name: 'get', key }, error, undefined);
    }
    return stored === null ? undefined : (this.#decoded('get', key, stored) as T);
  }

  /** The values under the keys, in their order, `undefined` where there is none. Redis: MGET. Fails open. */
  async getMany<T>(keys: readonly string[], name = 'getMany'): Promise<(T | undefined)[]> {
    if (keys.length === 0) return [];
    let found: (Stored | null)[];
    try {
      found = await this.parts.commands.getMany(keys.map((key) => this.#wire(key)));
    } catch (error) {
      return this.policy.recover(
        { name },
        error,
        keys.map(() => undefined),
      );
    }
    const values = found.map((stored, i) => (stored === null ? undefined : this.#decoded(name, keys[i] as string, stored)));
    // Only a decoder that takes time makes promises.
    return (values.some((value) => value instanceof Promise) ? Promise.all(values) : values) as Promise<(T | undefined)[]>;
  }

  /**
   * Stores a value. Redis: SET with PX.
   * Values that `isCacheable` refuses are not stored. Fails open: nothing is stored, and an `error` event says so.
   *
   * @param ttl milliseconds; `0`, `null` or `Infinity` for ever; the default of the store where it is left out
   * @returns whether the value was stored
   */
  async put(key: string, value: unknown, ttl?: Ttl): Promise<boolean> {
    try {
      const entry = this.#entry(key, value, ttl);
      if (entry === undefined) return false;
      await this.parts.commands.set(entry.key, entry.value, entry.ttl);
      return true;
    } catch (error) {
      return this.policy.recover({ name: 'set', key }, error, false);
    }
  }

  /** Stores each entry as `set` would, in pipelines without a transaction. Fails open, entry by entry. @returns whether each was stored */
  async putMany(entries: readonly (readonly [key: string, value: unknown, ttl?: Ttl])[], name = 'setMany'): Promise<boolean[]> {
    const stored = entries.map(() => false);
    const encoded: Entry<MaybePromise<Stored>>[] = [];
    const positions: number[] = [];
    for (const [i, [key, value, ttl]] of entries.entries()) {
      try {
        const entry = this.#entry(key, value, ttl);
        if (entry === undefined) continue;
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
        if (result.status === 'fulfilled') stored[position] = true;
        else this.policy.recover({ name, key: entries[position]?.[0] }, result.reason, undefined);
      }
      return stored;
    } catch (error) {
      return this.policy.recover({ name }, error, stored);
    }
  }

  /** Deletes. Redis: UNLINK. Fails loud. @returns how many of the keys existed */
  remove(keys: readonly string[], name = 'del'): Promise<number> {
    return this.policy.loud({ name, key: keys.length === 1 ? keys[0] : undefined }, async () => {
      return keys.length === 0 ? 0 : this.parts.commands.del(keys.map((key) => this.#wire(key)));
    });
  }

  /** Deletes each. Redis: UNLINK, pipelined. Fails loud. @returns whether each key existed, in order */
  removeEach(keys: readonly string[]): Promise<boolean[]> {
    return this.policy.loud({ name: 'deleteMany' }, async () => this.parts.commands.delEach(keys.map((key) => this.#wire(key))));
  }

  /** Whether the key exists. Redis: EXISTS, so the cost does not depend on the size of the value. Fails open: `false`. */
  has(key: string): Promise<boolean> {
    return this.policy.open({ name: 'has', key }, async () => this.parts.commands.has(this.#wire(key)), false);
  }

  /** Whether each key exists, in order. Redis: EXISTS, pipelined. Fails open: `false` for all. */
  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return this.policy.open(
      { name: 'hasMany' },
      async () => this.parts.commands.hasMany(keys.map((key) => this.#wire(key))),
      keys.map(() => false),
    );
  }

  /** Milliseconds until the key expires; `-1`: never; `-2`: there is no such key. Redis: PTTL. Fails open: `-2`. */
  ttl(key: string): Promise<Milliseconds> {
    return this.policy.open({ name: 'ttl', key }, async () => this.parts.commands.pttl(this.#wire(key)), missing);
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
    return this.policy.loud({ name: 'touch', key }, async () => this.parts.commands.expire(this.#wire(key), this.parts.ttl(ttl)));
  }

  /** Takes the time to live away, so that the entry never expires. Redis: PERSIST. Fails loud. @returns whether there was one to take away */
  persist(key: string): Promise<boolean> {
    return this.policy.loud({ name: 'persist', key }, async () => this.parts.commands.persist(this.#wire(key)));
  }

  /** Stores the value only where the key does not exist, atomically. Redis: SET NX. Fails loud. @returns whether it was stored */
  add(key: string, value: unknown, ttl?: Ttl): Promise<boolean> {
    return this.policy.loud({ name: 'add', key }, async () => {
      const entry = this.#entry(key, value, ttl);
      return entry !== undefined && this.parts.commands.add(entry.key, entry.value, entry.ttl);
    });
  }

  /**
   * Adds to an integer, atomically. Redis: INCRBY in a script. The time to live stays. Fails loud.
   *
   * @returns the sum; with `initial`, a missing key counts from there: `incr('hits', 1, { initial: 0 })` gives 1
   * @throws {MissingKeyError} where the key does not exist and there is no `initial`
   * @throws {CommandError} where the value is no integer, or the sum would not be exact (beyond ±2^53)
   */
  incr(key: string, delta = 1, options: CounterOptions = {}): Promise<number> {
    return this.#count('incr', key, delta, options);
  }

  /** Subtracts from an integer: `incr` with the sign turned. */
  decr(key: string, delta = 1, options: CounterOptions = {}): Promise<number> {
    return this.#count('decr', key, -delta, options);
  }

  /**
   * The value under the key; where there is none, `value` (or what the function returns), which is stored.
   * Callers of this process that ask for one key at the same time share one call of the function. Its errors are the
   * caller's to see and are never stored. Where Redis cannot be asked the function runs all the same.
   */
  async getOrSet<T>(key: string, value: T | (() => T | Promise<T>), ttl?: Ttl): Promise<T> {
    const wire = this.#wire(key);
    if (ttl !== undefined) wireTtl(ttl);
    return this.#flights.run(wire, async () => {
      const operation = { name: 'getOrSet', key };
      let stored: Stored | null = null;
      let reachable = true;
      try {
        stored = await this.parts.commands.get(wire);
      } catch (error) {
        reachable = false;
        this.policy.report(operation, error);
      }
      const found = stored === null ? undefined : await this.#decoded('getOrSet', key, stored);
      if (found !== undefined) return found as T;
      const made = typeof value === 'function' ? await (value as () => T | Promise<T>)() : value;
      // A Redis that could not be read is not waited for a second time, and what was made is never lost for want of storing it.
      if (reachable) {
        try {
          const entry = this.#entry(key, made, ttl);
          if (entry) await this.parts.commands.set(entry.key, entry.value, entry.ttl);
        } catch (error) {
          this.policy.report(operation, error);
        }
      }
      return made;
    });
  }

  /** Takes the value out: reads and deletes it, atomically. Redis: GETDEL. Fails loud. */
  getAndDelete<T>(key: string): Promise<T | undefined> {
    return this.policy.loud({ name: 'getAndDelete', key }, async () => {
      const stored = await this.parts.commands.getAndDelete(this.#wire(key));
      return (stored === null ? undefined : this.#decoded('getAndDelete', key, stored)) as T | undefined;
    });
  }

  /** The value for these bytes; a miss and an `error` event where they cannot be read. A promise only where decoding takes time. */
  #decoded(name: string, key: string, stored: Stored): MaybePromise<unknown> {
    try {
      const value = this.parts.codec.decode(stored);
      return value instanceof Promise ? value.catch((error: unknown) => this.#unreadable(name, key, error)) : value;
    } catch (error) {
      return this.#unreadable(name, key, error);
    }
  }

  #unreadable(name: string, key: string, error: unknown): undefined {
    this.policy.report({ name, key }, error);
  }

  #wire(key: string): string {
    return this.parts.keys.toWire(key);
  }

  /** What is to be written, or `undefined` for a value that shall not be stored. */
  #entry(key: string, value: unknown, ttl: Ttl): Entry<MaybePromise<Stored>> | undefined {
    const wire = this.#wire(key);
    const time = this.parts.ttl(ttl, value);
    if (value === undefined || !this.parts.isCacheable(value)) return undefined;
    return { key: wire, value: this.parts.codec.encode(value), ttl: time };
  }

  #count(name: string, key: string, delta: number, { initial, ttl }: CounterOptions): Promise<number> {
    return this.policy.loud({ name, key }, async () => {
      if (!Number.isSafeInteger(delta)) throw new ArgumentError(expected('delta', 'an integer', delta));
      if (initial !== undefined && !Number.isSafeInteger(initial)) throw new ArgumentError(expected('initial', 'an integer', initial));
      const time = initial === undefined ? undefined : this.parts.ttl(ttl, initial);
      const sum = await this.parts.commands.incrBy(this.#wire(key), delta, initial, time);
      if (sum === undefined) throw new MissingKeyError();
      return sum;
    });
  }
}
