import { callOptions } from './call-options.js';
import type { Stored } from './codec/codec.js';
import type { MaybePromise } from './codec/serializers.js';
import { isTagged, type Stamps } from './codec/tag-header.js';
import { type Entry, headLength, type Leases } from './commands/commands.js';
import { inOneTime } from './connection/in-one-time.js';
import { performance } from './connection/real-time.js';
import { ArgumentError, CodecError, expected, MissingKeyError, UnsupportedError } from './errors.js';
import { Allowance } from './extras/allowance.js';
import type { Factory } from './extras/factory.js';
import { Loader } from './extras/get-or-set.js';
import { type GetOrSetOptions, lifeOf, parseLoadOptions } from './extras/load-options.js';
import { Outdated } from './extras/outdated.js';
import { allTags, type WriteOptions, written } from './extras/write-options.js';
import { type CacheParts, Reads } from './reads.js';
import { observedLoad } from './telemetry/loads.js';
import { type Ttl, type WireTtl, wireTtl } from './ttl.js';
import { unawaited, unawaitedIfOurs } from './unawaited.js';

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
export class Cache extends Reads {
  readonly #loader: Loader;
  readonly #outdated: Outdated;

  /** @internal */
  constructor(parts: CacheParts) {
    super(parts);
    const { commands, flights, background, returns, codec, timeout, counters } = this.parts;
    const { policy } = this;
    this.#outdated = new Outdated({ commands, background, timeout, strict: parts.strict, policy, leased: (keys) => this.#leased(keys) });
    this.#loader = new Loader({
      commands,
      flights,
      background,
      returns,
      timeout,
      failedAt: parts.failedAt,
      signal: parts.signal,
      counters,
      tags: this.tags,
      random: parts.random,
      report: (key, error) => this.policy.report({ name: 'getOrSet', key }, error),
      near: (wire) => this.values.isNear(wire),
      saw: (key, stored, near) => this.saw.read(this.parts, 'getOrSet', key, stored, near),
      decoded: ({ key, wire }, stored) => this.values.decoded('getOrSet', key, stored, wire),
      entry: ({ key, plan }, value, how, stamps) => this.#entry(key, value, how, stamps, plan.staleFor),
      stamps: ({ plan }, tags) => {
        if (tags.length > 0) this.tags.checkPlace();
        return this.tags.stamps(tags, lifeOf(plan, parts.ttl));
      },
      encoded: ({ wire }, value) => codec.encode(value, wire),
    });
  }

  /**
   * Stores a value. Redis: SET with PX.
   * `undefined`, values that `isCacheable` refuses and values that cannot be encoded are not stored, and the entry that they were to
   * replace is deleted. Fails open: nothing is stored, and an `error` event says so.
   *
   * @param how milliseconds; `0`, `null` or `Infinity` for ever; the default of the store where it is left out. Or `{ ttl, tags }`
   * @returns whether the value was stored
   */
  put(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    let entry: Entry<MaybePromise<Stored>> | undefined;
    try {
      entry = this.#entry(key, value, how);
    } catch (error) {
      return unawaited(this.#unstored(key, error));
    }
    return this.policy.writing(entry === undefined ? this.#unstored(key) : this.#store(key, entry));
  }

  /** Stores each entry as `set` would, in pipelines without a transaction. Fails open, entry by entry. @returns whether each was stored */
  putMany(entries: readonly (readonly [key: string, value: unknown, how?: Ttl | WriteOptions])[], name = 'setMany'): Promise<boolean[]> {
    return unawaited(this.#putMany(entries, name));
  }

  async #putMany(entries: readonly (readonly [key: string, value: unknown, how?: Ttl | WriteOptions])[], name: string): Promise<boolean[]> {
    const stored = entries.map(() => false);
    const encoded: Entry<MaybePromise<Stored>>[] = [];
    const positions: number[] = [];
    const outdated: string[] = [];
    // Thrown at the end, if failures are to be thrown.
    const thrown: unknown[] = [];
    const failed = (key: string | undefined, error: unknown): void => {
      try {
        this.policy.recover({ name, key }, error, undefined);
      } catch (failure) {
        thrown.push(failure);
      }
    };
    for (const [i, [key, value, how]] of entries.entries()) {
      try {
        const entry = this.#entry(key, value, how);
        if (entry === undefined) {
          outdated.push(key);
          continue;
        }
        this.parts.flights.forget(entry.key);
        // If all are refused before they are sent, this is the only handler.
        if (entry.value instanceof Promise) entry.value.catch(() => {});
        encoded.push(entry);
        positions.push(i);
      } catch (error) {
        failed(key, error);
        if (this.#outdated.by(error)) outdated.push(key);
      }
    }
    // A wrong argument says that nothing was done.
    const [wrong] = thrown.filter((error) => error instanceof ArgumentError);
    if (wrong !== undefined) throw wrong;
    // Sent before the others, so that a later write of the same key stays.
    const removed = this.#outdated.remove(outdated, name);
    const late: string[] = [];
    let reason: unknown;
    try {
      const results = encoded.length === 0 ? [] : await this.parts.commands.setMany(encoded);
      for (const [i, result] of results.entries()) {
        const position = positions[i] as number;
        if (result.status === 'fulfilled') {
          stored[position] = true;
          continue;
        }
        const key = entries[position]?.[0] as string;
        failed(key, result.reason);
        // One that took time to fail to be encoded has had its turn as a deletion.
        if (result.reason instanceof CodecError || !this.#outdated.by(result.reason)) continue;
        late.push(key);
        reason = result.reason;
      }
    } catch (error) {
      failed(undefined, error);
    }
    await Promise.all([removed, this.#outdated.remove(late, name, reason)]);
    if (thrown.length > 0) throw thrown[0];
    return stored;
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
  discard(keys: readonly string[], name = 'del'): Promise<void> {
    return this.policy.loud({ name, key: keys.length === 1 ? keys[0] : undefined }, async () => {
      const { wires, leases } = this.#leased(keys);
      if (wires.length === 1) await this.parts.commands.drop(wires[0] as string, leases[0]);
      else if (wires.length > 1) await this.parts.commands.del(wires, leases, true);
    });
  }

  /**
   * Gives the key a new time to live; the default where it is left out, which a `ttl` function has to give for `undefined`,
   * for the value is not read. An entry with a stale window is fresh for so long and keeps the window behind it. Redis: PEXPIRE, or
   * PERSIST for ever, in a script. Fails loud.
   *
   * @returns whether the key exists
   */
  touch(key: string, ttl?: Ttl): Promise<boolean> {
    return this.policy.loud({ name: 'touch', key }, async () => {
      const wire = this.#wire(key);
      return this.#expire(wire, this.parts.ttl(ttl));
    });
  }

  /**
   * Takes the time to live away, so that the entry never expires; under `maxTtl` it gets that much instead. Redis: PERSIST. Fails loud.
   *
   * @returns whether there was a time to live to take away; under `maxTtl`, whether the key exists
   */
  persist(key: string): Promise<boolean> {
    return this.policy.loud({ name: 'persist', key }, async () => {
      const wire = this.#wire(key);
      const longest = this.parts.ttl(null);
      if (longest !== undefined) return this.#expire(wire, longest);
      const { commands, timeout } = this.parts;
      const begun = performance.now();
      const answer = Promise.all([commands.persist(wire), commands.heads([wire], headLength)]);
      const [persisted, [head]] = await this.tags.ifAlive(wire, answer, [false, []]);
      if (persisted && head && isTagged(head)) await new Allowance(timeout, begun).within(this.tags.outlast(wire, head, undefined));
      return persisted;
    });
  }

  /** Gives an entry, and its tags, a new time to live. */
  async #expire(wire: string, time: WireTtl): Promise<boolean> {
    const begun = performance.now();
    const head = await this.tags.ifAlive(wire, this.parts.commands.expire(wire, time), null);
    if (head && isTagged(head)) await new Allowance(this.parts.timeout, begun).within(this.tags.outlast(wire, head, time));
    return head !== null;
  }

  /**
   * Stores the value only where `get` would find none, atomically. Redis: SET NX; over an entry that `get` does not find, because a tag of it
   * was invalidated or it is past its `ttl` and kept to be served stale, a compare-and-set script. Fails loud. @returns whether it was stored
   */
  add(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    return this.policy.loud({ name: 'add', key }, async () => {
      const entry = this.#entry(key, value, how);
      if (entry === undefined) return false;
      this.parts.flights.forget(entry.key);
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
  incr(key: string, delta = 1, options?: CounterOptions): Promise<number> {
    return this.#count('incr', key, delta, options);
  }

  /** Subtracts from an integer: `incr` with the sign turned. */
  decr(key: string, delta = 1, options?: CounterOptions): Promise<number> {
    return this.#count('decr', key, -delta, options);
  }

  /**
   * The value under the key; where there is none, `value` (or what the function returns), which is stored. Redis: GET; where
   * there is none, a script that claims a lease, GET, and a script that stores.
   *
   * At a time one call of the function runs for all callers of this process, and for all processes: the others wait for what
   * the first stores. A deletion while it runs wins: its result goes to those who wait for it and is not stored. Its errors are the
   * callers' to see and are never stored. Where it gives `undefined`, or a value that `isCacheable` refuses, nothing is stored and what was
   * there is deleted. Where Redis cannot be asked the function runs all the same.
   *
   * @param options the time to live, or {@link GetOrSetOptions}: serving stale values, renewing early, timeouts
   * @throws {FactoryTimeoutError} after `hardTimeout`
   * @throws {UnsupportedError} at once, for a function that needs its own key, directly or through other loads
   */
  getOrSet<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    return unawaitedIfOurs(this.#load<T>(key, value, options));
  }

  async #load<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    const operation = { name: 'getOrSet', key };
    const plan = this.policy.checked(operation, () => {
      const parsed = parseLoadOptions(options);
      if (parsed.tags.length > 0) this.tags.checkPlace();
      return parsed;
    });
    const make = typeof value === 'function' ? observedLoad(value as Factory<unknown>, key, this.parts) : () => value;
    let wire: string;
    try {
      wire = this.#wire(key);
    } catch (error) {
      const failure = this.policy.report(operation, error);
      if (failure instanceof ArgumentError) throw failure;
      return (await this.#loader.loadUnstored({ key, make, plan })) as T;
    }
    return (await this.#loader.load({ key, wire, lease: this.parts.keys.beside?.(wire, 'l'), make, plan })) as T;
  }

  /** Takes the value out: reads and deletes it, atomically, also one past its `ttl` that is kept to be served stale. Redis: GETDEL, and UNLINK of the lease of a load. Fails loud. */
  getAndDelete<T>(key: string): Promise<T | undefined> {
    return this.policy.loud({ name: 'getAndDelete', key }, async () => {
      const { commands } = this.parts;
      const begun = performance.now();
      const { wires, leases } = this.#leased([key]);
      const wire = wires[0] as string;
      let stored = await commands.getAndDelete(wire, leases[0]);
      if (this.tags.concern(stored)) stored = await new Allowance(this.parts.timeout, begun).within(this.tags.open(stored));
      this.saw.read(this.parts, 'getAndDelete', key, stored);
      return (stored === null ? undefined : this.values.decoded('getAndDelete', key, stored, wire)) as T | undefined;
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

  async #store(key: string, { key: wire, value, ttl }: Entry<MaybePromise<Stored>>): Promise<boolean> {
    try {
      this.parts.flights.forget(wire);
      await this.parts.commands.set(wire, value, ttl);
      return true;
    } catch (error) {
      // One that took time to fail to be encoded has had its turn as a deletion: a later write may have been sent since.
      return error instanceof CodecError ? this.policy.recover({ name: 'set', key }, error, false) : this.#unstored(key, error);
    }
  }

  /** A value that is not stored takes the entry with it that it was to replace; `error`: why, if that is a failure. */
  async #unstored(key: string, error?: unknown): Promise<boolean> {
    const removed = error === undefined || this.#outdated.by(error) ? this.#outdated.remove([key], 'set', error) : undefined;
    try {
      return error === undefined ? false : this.policy.recover({ name: 'set', key }, error, false);
    } finally {
      await removed;
    }
  }

  #wire(key: string): string {
    return this.parts.keys.toWire(key);
  }

  /** The wire keys, and those of the leases that a deletion ends. Who asks for these keys from now on shares no load begun before. */
  #leased(keys: readonly string[]): { wires: string[]; leases: Leases } {
    const { keys: space, flights } = this.parts;
    const wires = keys.map((key) => this.#wire(key));
    for (const wire of wires) flights.forget(wire);
    return { wires, leases: wires.map((wire) => space.beside?.(wire, 'l')) };
  }

  /** What is to be written, or `undefined` for a value that is not to be stored. `earlier`: stamps of tags, read before the value was made. `staleFor`: how much longer Redis keeps it. */
  #entry(
    key: string,
    value: unknown,
    how: Ttl | WriteOptions,
    earlier?: Stamps,
    staleFor = 0,
  ): (Entry<MaybePromise<Stored>> & { readonly tagged: boolean }) | undefined {
    const wire = this.#wire(key);
    const { ttl, tags: given } = written(how);
    if (given.length > 0) this.tags.checkPlace();
    const time = this.parts.ttl(ttl, value);
    if (value === undefined || !this.parts.isCacheable(value)) return undefined;
    const tags = allTags(given, this.parts.tagsOf, key, value);
    const life = time === undefined ? undefined : time + staleFor;
    const sealed = this.tags.sealed(this.parts.codec.encode(value, wire), tags, life, earlier);
    return { key: wire, value: sealed, ttl: time, tagged: tags.length > 0 };
  }

  #count(name: string, key: string, delta: number, options: CounterOptions | undefined): Promise<number> {
    return this.policy.loud({ name, key }, async () => {
      const { initial, ttl } = callOptions(name, options, { initial: true, ttl: true });
      if (this.tags.lazy)
        throw new UnsupportedError(`Redis cannot count what carries a generation: ${name} needs a store without \`lazyClear\``);
      if (this.parts.codec.sealed) throw new UnsupportedError(`Redis cannot count under \`encryption\`: ${name} needs a store without it`);
      if (!Number.isSafeInteger(delta)) throw new ArgumentError(expected('delta', 'an integer', delta));
      if (initial !== undefined && !Number.isSafeInteger(initial)) throw new ArgumentError(expected('initial', 'an integer', initial));
      if (ttl !== undefined) wireTtl(ttl);
      const time = initial === undefined ? undefined : this.parts.ttl(ttl, initial);
      const wire = this.#wire(key);
      this.parts.flights.forget(wire);
      const sum = await this.parts.commands.incrBy(wire, delta, initial, time);
      if (sum === undefined) throw new MissingKeyError();
      return sum;
    });
  }
}
