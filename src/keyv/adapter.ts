import type { RedisClientType } from '@redis/client';
import type { Cache } from '../cache/cache.js';
import type { ReencodeOptions, ReencodeProgress } from '../cache/reencode.js';
import { compose, type StoreParts } from '../compose.js';
import type { Status } from '../connection/connection.js';
import { type Connect, optionsOf } from '../options/locations.js';
import type { StoreOptions } from '../options/options.js';
import type { RedisStore } from '../store/store.js';
import type { BreakerState, Source, StoreEvents } from '../telemetry/events.js';
import { readStats, type StatsOptions, type StoreStats } from '../telemetry/stats.js';
import { unawaited } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import { type AdapterInfo, capabilities, declareAsync, type KeyvCapabilities, type KeyvEntry, type KeyvRedisOptions } from './contract.js';
import { KeyvEntries } from './entries.js';
import { answerRawReadsOfCaller, KeyvTexts, type Reader, seeingValues } from './envelope.js';
import { KeyPrefix, Namespace } from './namespace.js';
import { type KeyvForm, storeBehind, storeOver } from './store-of.js';

/**
 * The storage adapter of Keyv 4, 5 and 6.
 *
 * Keyv 6 announces itself by reading `capabilities`, and then passes bare keys and absolute times; before that, times are relative and keys
 * may have Keyv's prefix. Its methods reject only with `onFailure: 'throw'`: otherwise reads are misses, writes and deletions answer `false`,
 * and an `error` event tells. A deletion that cannot be sent waits (see `invalidations`). An iterator that cannot go on does reject.
 *
 * @example
 * const keyv = new Keyv({ store: new KeyvRedisStore('redis://localhost/1'), namespace: 'users' });
 */
export class KeyvRedisStore {
  readonly #parts: StoreParts;
  readonly #options: StoreOptions;
  readonly #namespace: Namespace;
  readonly #prefix: KeyPrefix;
  readonly #texts: KeyvTexts;
  #isAnnounced = false;
  #iterating = 0;
  #opened: KeyvEntries | undefined;

  /**
   * @param connect a location, a client of node-redis, or options
   * @throws {OptionError} for an invalid option
   */
  constructor(connect?: Connect<KeyvRedisOptions>, options?: KeyvRedisOptions);
  /** @internal */
  constructor(connect: Connect<KeyvRedisOptions> | undefined, options: KeyvRedisOptions | undefined, texts: KeyvTexts);
  constructor(connect?: Connect<KeyvRedisOptions>, options?: KeyvRedisOptions, texts = new KeyvTexts()) {
    const { namespace, useKeyPrefix, ...rest } = optionsOf<KeyvRedisOptions>('KeyvRedisStore', connect, options);
    this.#namespace = new Namespace(namespace);
    this.#prefix = new KeyPrefix(useKeyPrefix);
    this.#texts = texts;
    this.#options = rest;
    this.#parts = compose(seeingValues(rest), 'keyv', { accepts: (text) => texts.accepts(text) });
  }

  /** Read by Keyv 6. A Keyv 4 or 5 that took the adapter before keeps it: then there are none, and Keyv 6 adapts to that. */
  get capabilities(): KeyvCapabilities | undefined {
    if (this.#prefix.isTaken) return undefined;
    if (!this.#isAnnounced) answerRawReadsOfCaller(readCapabilities);
    this.#isAnnounced = true;
    return capabilities;
  }

  /** Undefined while a Keyv 4 or 5 iterates: it skips keys that do not begin with the namespace literally. */
  get namespace(): string | undefined {
    return this.#iterating > 0 ? undefined : this.#namespace.name;
  }

  /** Set by Keyv. @throws {OptionError} for a second, different namespace */
  set namespace(name: string | undefined) {
    this.#namespace.assign(name);
    if (!this.#isAnnounced) this.#prefix.take(name);
  }

  get opts(): AdapterInfo {
    return { dialect: 'redis', url: 'redis://', namespace: this.namespace };
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

  /** What the adapter has done so far, and its state now. Sends nothing. `{ reset: true }` starts from zero afterwards. */
  stats(options?: StatsOptions): StoreStats {
    return readStats(this.#parts.cache.context.counters, this.#parts.lifecycle, options);
  }

  /** What logs show of an adapter, and of a Keyv around it: none of its options. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.constructor.name} { status: '${this.status}' }`;
  }

  /** The value under the key; text that Keyv serialized comes back as it was. Redis: GET. */
  get<Value>(key: string): Promise<Value | undefined> {
    return this.#open().cache.reader.get<Value>(this.#prefix.strip(key));
  }

  /** Redis: MGET */
  getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    const entries = this.#open();
    return entries.each(keys, (bare) => entries.cache.reader.getMany<Value>(bare));
  }

  /**
   * Redis: SET with PX; UNLINK for an entry that has expired.
   *
   * @param time milliseconds from now; for Keyv 6, milliseconds since 1970. `undefined` for the default time to live
   * @returns whether it was stored
   */
  set(key: string, value: unknown, time?: Milliseconds): Promise<boolean> {
    return this.#open().set(key, value, time);
  }

  /** Redis: SET with PX, pipelined. @returns whether each was stored, as `boolean[]` */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv 5 declares void and passes on what comes; Keyv 4 has none
  setMany(entries: KeyvEntry[]): Promise<any> {
    return unawaited(this.#open().setMany(entries));
  }

  /** Redis: UNLINK. @returns whether the key existed; also `false` if the deletion waits or failed */
  delete(key: string): Promise<boolean> {
    return this.#open().delete(key);
  }

  /** Redis: UNLINK. @returns whether each key existed, as `boolean[]`, for Keyv 6; whether any did for others */
  // biome-ignore lint/suspicious/noExplicitAny: one boolean for Keyv 5, one for each key for Keyv 6
  deleteMany(keys: string[]): Promise<any> {
    return this.#open().deleteMany(keys);
  }

  /** Redis: EXISTS */
  has(key: string): Promise<boolean> {
    return this.#open().cache.reader.has(this.#prefix.strip(key));
  }

  /** Redis: EXISTS, pipelined */
  hasMany(keys: string[]): Promise<boolean[]> {
    const entries = this.#open();
    return entries.each(keys, (bare) => entries.cache.reader.hasMany(bare));
  }

  /**
   * Deletes the entries of this namespace and nothing else. Redis: SCAN and UNLINK, in batches. `{ lazy: true }`, which needs the option
   * `lazyClear`, makes them misses in one step and deletes them in the background. If Redis cannot be reached, the clear waits like a
   * deletion. A string limits it to keys that begin with it and a colon.
   */
  clear(options?: { readonly lazy?: boolean } | string): Promise<void> {
    return unawaited(this.#open().clear(options));
  }

  /** Every key of the namespace with its value. Redis: SCAN and MGET. A key may come twice while Redis resizes its table. */
  async *iterator<Value>(_namespace?: string): AsyncGenerator<[string, Value], void> {
    const entries = this.#open();
    this.#iterating += this.#isAnnounced ? 0 : 1;
    try {
      yield* entries.iterate<Value>();
    } finally {
      this.#iterating -= this.#isAnnounced ? 0 : 1;
    }
  }

  /** Makes every entry of this namespace with one of the tags a miss: see the store's `invalidateTags`, and the option `tags`. */
  invalidateTags(tags: readonly string[]): Promise<void> {
    return this.#open().cache.updates.invalidateTags(tags);
  }

  /** Rewrites every entry of this namespace with the current serializer and compression: see the store's `reencode`. */
  reencode(options?: ReencodeOptions): AsyncGenerator<ReencodeProgress, void, undefined> {
    return this.#open().cache.scans.reencode(options);
  }

  /** Listens to an event. Keyv listens to `error`, which reports every failure, and emits it again. */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;
  // biome-ignore lint/suspicious/noExplicitAny: Keyv's signature
  on(event: string, listener: (...args: any[]) => void): this;
  on(event: string, listener: (...args: never[]) => void): this {
    if (event === 'error') this.#namespace.taken();
    this.#parts.cache.context.events.on(event as 'error', listener as never);
    return this;
  }

  /** Removes a listener. */
  off(event: string, listener: (...args: never[]) => void): this {
    this.#parts.cache.context.events.off(event as 'error', listener as never);
    return this;
  }

  /** Connects, for applications that fail at start-up if Redis cannot be reached. */
  ready(): Promise<void> {
    return this.#parts.lifecycle.ready();
  }

  /** Checks that Redis answers. Redis: PING. */
  ping(): Promise<void> {
    return this.#parts.lifecycle.ping();
  }

  /** Waits for calls in flight, at most `timeout` milliseconds, and closes the connections that this adapter opened. Idempotent. */
  async disconnect(): Promise<void> {
    await this.#parts.lifecycle.disconnect();
  }

  /** The store behind this adapter: see `storeOf`. @internal */
  [storeBehind](form: KeyvForm): RedisStore {
    return storeOver({ ...this.#parts, cache: this.#open().cache }, this.#options, form);
  }

  /** For other parts of the Keyv face. @internal */
  static internalsOf(adapter: KeyvRedisStore): Reader & { readonly cache: Cache } {
    return {
      get cache() {
        return adapter.#open().cache;
      },
      get iterating() {
        return adapter.#iterating > 0;
      },
      unreadable: (error) => adapter.#open().report('get', undefined, error),
    };
  }

  #open(): KeyvEntries {
    if (this.#opened) return this.#opened;
    this.#namespace.decide();
    const { cache: standard, cacheOf } = this.#parts;
    const { name } = this.#namespace;
    // Without a name the prefix is the namespace. A key function of the user knows no namespaces.
    const cache = name && standard.context.keysOf ? cacheOf(name) : standard;
    this.#opened = new KeyvEntries(cache, { prefix: this.#prefix, texts: this.#texts, isAnnounced: () => this.#isAnnounced });
    return this.#opened;
  }
}

declareAsync(KeyvRedisStore.prototype);
const readCapabilities = Object.getOwnPropertyDescriptor(KeyvRedisStore.prototype, 'capabilities')?.get as () => unknown;
