import type { RedisClientType } from '@redis/client';
import type { Commands } from './commands/commands.js';
import { nullCommands } from './commands/null.js';
import type { BreakerState } from './connection/breaker.js';
import type { Status } from './connection/connection.js';
import type { GivenClient } from './connection/target.js';
import { type Composition, compose } from './create.js';
import { UnsupportedError } from './errors.js';
import type { StoreEvents } from './events.js';
import { type Entries, withOptions } from './extras/entries.js';
import { acquireLock, type Lock, type LockOptions } from './extras/lock.js';
import type { WriteOptions } from './extras/write-options.js';
import type { StoreOptions } from './options.js';
import { ScopedCache } from './scope.js';
import { type Connect, optionsOf } from './settings/ways-in.js';
import { readStats, type StatsOptions, type StoreStats } from './telemetry/stats.js';
import type { Source } from './telemetry/tracing.js';
import type { Ttl } from './ttl.js';
import { unawaited, unawaitedIfOurs } from './unawaited.js';

/**
 * A cache-manager store on Redis: the contract of cache-manager 5 (`get set del reset mset mget mdel keys ttl`), which
 * cache-manager 6 and 7 take through their `KeyvAdapter`, and what Redis offers beyond it.
 */
export class RedisStore extends ScopedCache {
  readonly name: string;
  readonly #composition: Composition;

  /** @internal Use {@link redisStore}. */
  constructor(options: StoreOptions = {}, name = 'redis', commandsOf?: () => Commands) {
    const composition = compose(options, 'store', commandsOf);
    super(composition.parts);
    this.name = name;
    this.#composition = composition;
    bindMethods(this);
  }

  /** node-redis's client, where one connection is shared by all calls (the default); it connects on first use: see `ready()`. */
  get client(): RedisClientType | undefined {
    return this.#composition.link.client as RedisClientType | undefined;
  }

  /** The state of the connection. */
  get status(): Status {
    return this.#composition.link.status;
  }

  /** Whether calls are sent (`closed`), refused (`open`), or one is tried (`half-open`). */
  get breaker(): BreakerState {
    return this.#composition.link.breaker;
  }

  /** Which store this is, in what the channels `redis-tier:command` and `redis-tier:load` tell. */
  get source(): Source {
    return this.parts.source;
  }

  /** What the store has done so far, and how it is now. Asks nobody. `{ reset: true }` starts from zero afterwards. */
  stats(options?: StatsOptions): StoreStats {
    return readStats(this.parts.counters, this.#composition.link, options);
  }

  /** What logs show of a store: nothing that was handed to it. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `RedisStore { name: '${this.name}', status: '${this.status}' }`;
  }

  /** Whether the value would be stored. */
  isCacheable = (value: unknown): boolean => value !== undefined && this.parts.isCacheable(value);

  /**
   * Stores a value. Redis: SET with PX. Values that `isCacheable` refuses are not stored.
   * Fails open: nothing is stored, and an `error` event says so.
   *
   * @param how milliseconds; `0`, `null` or `Infinity` for ever; the option `ttl` where it is left out. Or `{ ttl, tags }`
   */
  set(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<void> {
    // Whether it was stored is nothing the contract has a place for; one promise less is.
    return this.put(key, value, how) as Promise<unknown> as Promise<void>;
  }

  /** Deletes the entry. Redis: UNLINK, one for the deletions of a tick. Fails loud: an invalidation that did not happen is not passed over. */
  del(key: string): Promise<void> {
    return this.discard([key]);
  }

  /** Deletes the entries of this store, and nothing else: {@link clear}. */
  reset(): Promise<void> {
    return this.clear();
  }

  /**
   * Stores many entries, each with the ttl, or `{ ttl, tags }`, pipelined without a transaction. Redis: SET with PX. Fails open, entry by
   * entry.
   *
   * @param entries pairs of key and value, as an array, a Map or another iterable, or a record
   */
  mset(entries: Entries, how?: Ttl | WriteOptions): Promise<void> {
    return unawaited(this.#mset(entries, how));
  }

  async #mset(entries: Entries, how?: Ttl | WriteOptions): Promise<void> {
    const pairs = this.policy.checked({ name: 'mset' }, () => withOptions(entries, how));
    await this.putMany(pairs, 'mset');
  }

  /** The values under the keys, in their order, `undefined` where there is none. Redis: MGET. Fails open. */
  mget(...keys: string[]): Promise<unknown[]> {
    return this.getMany(keys, 'mget');
  }

  /** Deletes many entries. Redis: UNLINK. Fails loud. */
  mdel(...keys: string[]): Promise<void> {
    return this.discard(keys, 'mdel');
  }

  /**
   * Locks a name: a lease on one Redis, renewed while this process lives. It has nothing to do with the entry under the same key, and
   * is the same lock in all versions of the prefix. Redis: SET NX PX in a script. Fails loud.
   *
   * @throws {LockError} where somebody else holds it for longer than `wait`
   * @throws {UnsupportedError} where a function of your own makes the keys, and on a store that stores nothing
   */
  lock(key: string, options?: LockOptions): Promise<Lock> {
    return this.policy.loud({ name: 'lock', key }, async () => {
      const { commands, background, returns, keysOf } = this.parts;
      const space = keysOf?.(undefined);
      if (!space?.beside) throw new UnsupportedError('locks have no place beside the keys of a `keyFunction` or a `keyPrefix` with `:`');
      const wire = space.toWire(key);
      const [lock, fence] = [space.beside(wire, 'k'), space.beside(wire, 'f')];
      const loud = <T>(name: string, work: () => Promise<T>) => this.policy.loud({ name, key }, work);
      return acquireLock({ commands, background, returns, key, lock, fence, loud }, options);
    });
  }

  /**
   * Runs the work under the lock and releases it, however the work ends. Rejects as the work does; with a LockError where the
   * work went well and the lock was lost meanwhile: look at `lock.signal` while it runs.
   */
  withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T> {
    return unawaitedIfOurs(this.#withLock(key, work, options));
  }

  async #withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T> {
    const lock = await this.lock(key, options);
    let result: T;
    try {
      result = await work(lock);
    } catch (error) {
      // What the work threw is what matters; an `error` event tells of the other.
      await lock.release().catch(() => {});
      throw error;
    }
    await lock.release();
    return result;
  }

  /** Listens to an event. `error` tells of every failure, those that became a miss included; nobody has to listen. */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.parts.events.on(event, listener);
    return this;
  }

  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.parts.events.off(event, listener);
    return this;
  }

  /**
   * Connects, for those who want start-up to fail when Redis is not there.
   *
   * @throws {ConnectionError} with the reason: refused, wrong password …
   * @throws {TimeoutError} where Redis does not answer within `timeout`
   */
  ready(): Promise<void> {
    return this.#composition.link.ready();
  }

  /** Asks Redis for a sign of life. Redis: PING. Rejects where there is none within `timeout`. */
  ping(): Promise<void> {
    return this.#composition.link.ping();
  }

  /**
   * Waits for what is in flight, at most `timeout` milliseconds, and closes the connections this store opened. Idempotent.
   * Afterwards reads are misses and what fails loud rejects with a ClosedError.
   */
  disconnect(): Promise<void> {
    return this.#composition.link.disconnect();
  }
}

/** Puts the methods into the store itself, so that `{ ...store, ttl }` and `const { get, set } = store` work, as with cache-manager's own stores. */
function bindMethods(store: RedisStore): void {
  const own = store as unknown as Record<string, unknown>;
  for (let type = RedisStore.prototype; type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
      if (typeof value === 'function' && name !== 'constructor' && !Object.hasOwn(own, name)) own[name] = value.bind(store);
    }
  }
}

/**
 * A cache-manager store on Redis: `await caching(redisStore({ location: 'localhost:6379', ttl: 60_000 }))`, or as a
 * factory, `caching(redisStore, { … })`. Returns at once and connects on first use.
 *
 * @param connect a location, a client of node-redis, or options
 * @throws {OptionError} for an option that cannot be understood
 */
export function redisStore(connect: string | GivenClient, options?: StoreOptions): RedisStore;
export function redisStore(options?: StoreOptions): RedisStore;
export function redisStore(connect?: Connect<StoreOptions>, options?: StoreOptions): RedisStore {
  return new RedisStore(optionsOf('redisStore', connect, options));
}

/** The same interface, and nothing is ever stored: for switching a cache off without touching the code around it. */
export function nullStore(connect: string | GivenClient, options?: StoreOptions): RedisStore;
export function nullStore(options?: StoreOptions): RedisStore;
export function nullStore(connect?: Connect<StoreOptions>, options?: StoreOptions): RedisStore {
  return new RedisStore(optionsOf('nullStore', connect, options), 'null', nullCommands);
}
