import type { RedisClientType } from '@redis/client';
import type { Cache } from '../cache/cache.js';
import { type CallOptions, type Entries, parseBounds, toPairs, type WriteOptions } from '../cache/call-options.js';
import { nullCommands } from '../commands/local.js';
import { compose, type StoreParts } from '../compose.js';
import type { Status } from '../connection/connection.js';
import { openPool } from '../connection/open.js';
import type { Pool } from '../connection/pools.js';
import type { ExternalClient } from '../connection/target.js';
import { OptionError } from '../errors.js';
import { Loader } from '../load/loader.js';
import { memoize } from '../load/memoize.js';
import { Locks } from '../lock/lock.js';
import { type Connect, optionsOf } from '../options/locations.js';
import type { ConnectionOptions, StoreOptions } from '../options/options.js';
import { parsePoolOptions } from '../options/parse.js';
import type { BreakerState, Source, StoreEvents } from '../telemetry/events.js';
import { readStats } from '../telemetry/stats.js';
import { unawaited } from '../time/waiting.js';
import type { Ttl } from '../ttl.js';
import type { StoreMethods } from './methods.js';
import { typed } from './typed.js';

/**
 * A cache-manager store on Redis: the contract of cache-manager 5 (`get set del reset mset mget mdel keys ttl`), which cache-manager 6 and 7
 * take through their `KeyvAdapter`, and what Redis offers beyond it.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor assigns every method of the interface
export class RedisStore {
  readonly name: string;
  readonly #parts: StoreParts;

  /** @internal Use {@link redisStore}. */
  constructor(parts: StoreParts, name = 'redis') {
    this.name = name;
    this.#parts = parts;
    Object.assign(this, methodsOf(this, parts));
  }

  /** node-redis's client if all calls share one connection (the default). It connects on first use: see `ready()`. */
  get client(): RedisClientType | undefined {
    return this.#parts.lifecycle.client as RedisClientType | undefined;
  }

  /** The state of the connection. */
  get status(): Status {
    return this.#parts.lifecycle.status;
  }

  /** The state of the circuit breaker: calls are sent (`closed`), refused (`open`), or one is tried (`half-open`). */
  get breaker(): BreakerState {
    return this.#parts.lifecycle.breaker;
  }

  /** Which store this is, in the messages of the channels `redis-tier:command` and `redis-tier:load`. */
  get source(): Source {
    return this.#parts.cache.context.source;
  }

  /** What logs show of a store: none of its options. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `RedisStore { name: '${this.name}', status: '${this.status}' }`;
  }

  /** The parts, for other faces of the same store. @internal */
  static partsOf(store: RedisStore): StoreParts {
    return store.#parts;
  }
}

export interface RedisStore extends StoreMethods {
  /**
   * The same store with other bounds for its calls: `store.with({ timeout: 50 }).get(key)`, `store.with({ signal }).get(key)`. Such calls are
   * not batched, and have no order with calls of the store that are under way. `store.with({ sliding: '30m' })`: each read renews the time to live.
   *
   * @throws {ArgumentError} for an unknown name, or an invalid bound
   */
  with(bounds: CallOptions): RedisStore;

  /** Listens to an event. `error` reports every failure, those that became a miss included. No listener is needed. */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;

  /** Removes a listener. */
  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;
}

/** The cache of a view. Calls with bounds of their own are not batched with others. */
function viewOf(cache: Cache, { sliding, ...bounds }: ReturnType<typeof parseBounds>): Cache {
  const { timeout = cache.context.timeout, signal = cache.context.signal } = bounds;
  const isBounded = Object.values(bounds).some((bound) => bound !== undefined);
  const bounded = isBounded ? cache.withBounds({ timeout, signal }) : cache;
  return sliding === undefined ? bounded : bounded.withSliding(sliding);
}

/** Where a store, or a copy of one, has the view of its near tier. Another build of this package finds it too. */
export const nearView = Symbol.for('redis-tier.near');
/** Where a store, or a copy of one, has the store itself. */
export const ownStore = Symbol.for('redis-tier.own');

/**
 * The methods, each a call of the part that does it. They belong to the store itself, so that `{ ...store, ttl }` and
 * `const { get, set } = store` work, as with cache-manager's own stores.
 */
function methodsOf(store: RedisStore, parts: StoreParts): StoreMethods & Pick<RedisStore, 'with' | 'on' | 'off'> {
  const { cache, flights, lifecycle } = parts;
  const { reader, writer, updates, scans, policy, context } = cache;
  const loader = new Loader(cache, flights);
  const locks = new Locks(cache);

  async function mset(entries: Entries, how?: Ttl | WriteOptions): Promise<void> {
    const pairs = policy.parsed({ name: 'mset' }, () => toPairs(entries, how));
    await writer.setMany(pairs, 'mset');
  }

  return {
    get: (key) => reader.get(key),
    mget: (...keys) => reader.getMany(keys, 'mget'),
    has: (key) => reader.has(key),
    ttl: (key) => reader.ttl(key),
    // The contract has no place for whether it was stored, and this saves a promise.
    set: (key, value, how) => writer.set(key, value, how) as Promise<unknown> as Promise<void>,
    mset: (entries, how) => unawaited(mset(entries, how)),
    del: (key) => writer.unlink([key]),
    mdel: (...keys) => writer.unlink(keys, 'mdel'),
    isCacheable: (value) => value !== undefined && context.isCacheable(value),
    touch: (key, ttl) => updates.touch(key, ttl),
    persist: (key) => updates.persist(key),
    expire: (key) => updates.expire(key),
    getAndTouch: (key, ttl) => updates.getAndTouch(key, ttl),
    add: (key, value, how) => updates.add(key, value, how),
    incr: (key, delta = 1, options) => updates.count('incr', key, delta, options),
    decr: (key, delta = 1, options) => updates.count('decr', key, -delta, options),
    getAndDelete: (key) => updates.getAndDelete(key),
    invalidateTags: (tags) => updates.invalidateTags(tags),
    expireTags: (tags) => updates.expireTags(tags),
    getOrSet: (key, value, options) => loader.getOrSet(key, value, options),
    memoize: (fn, options) => memoize(store, fn, options),
    getOrSetMany: (keys, loadMany, options) => loader.getOrSetMany(keys, loadMany, options),
    getOrSetDetailed: (key, value, options) => loader.getOrSetDetailed(key, value, options),
    lock: (key, options) => locks.lock(key, options),
    withLock: (key, work, options) => locks.withLock(key, work, options),
    keys: (pattern) => scans.keys(pattern),
    iterate: (pattern) => scans.iterate(pattern),
    delPattern: (pattern) => scans.delPattern(pattern),
    clear: (options) => scans.clear(options),
    reset: () => scans.clear(),
    sweep: () => scans.sweep(),
    incrVersion: (key, delta) => scans.incrVersion(key, delta),
    reencode: (options) => scans.reencode(options),
    typed: (options) =>
      typed(options, (schema, sliding) => {
        const own = cache.withSchema(schema);
        const view = new RedisStore({ ...parts, cache: sliding === undefined ? own : own.withSliding(sliding) }, store.name);
        return [view, (key, value) => own.values.storable(key, value)];
      }),
    with: (how) => new RedisStore({ ...parts, cache: viewOf(cache, parseBounds(how)) }, store.name),
    on(event, listener) {
      context.events.on(event, listener);
      return store;
    },
    off(event, listener) {
      context.events.off(event, listener);
      return store;
    },
    stats: (options) => readStats(context.counters, lifecycle, options),
    ready: () => lifecycle.ready(),
    ping: () => lifecycle.ping(),
    disconnect: () => lifecycle.disconnect(),
    ...{ [nearView]: () => cache.nearOnly(), [ownStore]: () => store },
  };
}

/**
 * Creates a cache-manager store on Redis. Returns at once and connects on first use.
 *
 * @param connect a location, a client of node-redis, or options
 * @throws {OptionError} for an invalid option
 * @example
 * const cache = await caching(redisStore({ location: 'localhost:6379', ttl: 60_000 }));
 */
export function redisStore(connect: string | ExternalClient | undefined, options?: StoreOptions): RedisStore;
export function redisStore(options?: StoreOptions): RedisStore;
export function redisStore(connect?: Connect<StoreOptions>, options?: StoreOptions): RedisStore {
  return new RedisStore(compose(optionsOf('redisStore', connect, options), 'store'));
}

/** Creates a store with the same methods that stores nothing, for switching a cache off without changing the code around it. */
export function nullStore(connect: string | ExternalClient | undefined, options?: StoreOptions): RedisStore;
export function nullStore(options?: StoreOptions): RedisStore;
export function nullStore(connect?: Connect<StoreOptions>, options?: StoreOptions): RedisStore {
  return new RedisStore(compose(optionsOf('nullStore', connect, options), 'store', { commands: nullCommands() }), 'null');
}

/**
 * Creates a pool that several stores share: `redisStore({ pool })`. It connects on first use. Its creator closes it with `pool.close(grace)`.
 * Its failures appear in the `error` events of the stores, as failed operations.
 *
 * @throws {OptionError} for an invalid option, for one that is not of the connection (`prefix`, `ttl` …), and for `memory:`, which has no
 * connections
 */
export function createPool(options: ConnectionOptions = {}): Pool {
  const settings = parsePoolOptions(options);
  if (settings.target.kind === 'memory') throw new OptionError('expected `location` to be a Redis server, got `memory:`');
  return openPool({ ...settings, onError: () => {} });
}
