import type { RedisClientType } from '@redis/client';
import type { BreakerState } from '../connection/breaker.js';
import type { Status } from '../connection/connection.js';
import { type Composition, compose } from '../create.js';
import { ArgumentError, type CacheError, expected } from '../errors.js';
import type { StoreEvents } from '../events.js';
import type { ReencodeOptions, ReencodeProgress } from '../extras/reencode.js';
import { escapeGlob } from '../keys/glob.js';
import type { StoreOptions } from '../options.js';
import { ScopedCache } from '../scope.js';
import { type Connect, optionsOf } from '../settings/ways-in.js';
import { readStats, type StatsOptions, type StoreStats } from '../telemetry/stats.js';
import type { Source } from '../telemetry/tracing.js';
import type { Milliseconds } from '../ttl.js';
import { unawaited } from '../unawaited.js';
import { type AdapterInfo, capabilities, declareAsync, type KeyvCapabilities, type KeyvEntry } from './contract.js';
import { KeyvTexts, seeingValues, Unencodable } from './envelope.js';
import { KeyPrefix } from './key-prefix.js';
import { Namespace } from './namespace.js';
import { answerRawReadsOfCaller } from './raw-reads.js';

export interface KeyvRedisOptions extends StoreOptions {
  /**
   * The namespace: keys in Redis are `namespace::key`, as `@keyv/redis` writes them. Default: the one of the Keyv that takes the adapter,
   * else the `prefix`, else `'keyv'`. An adapter serves one namespace.
   */
  readonly namespace?: string | undefined;
  /** The text between namespace and key, as the option of `@keyv/redis`. Must not hold `%`, `@` or `#`. Default `'::'`. */
  readonly keyPrefixSeparator?: string | undefined;
  /**
   * Whether the Keyv 4 or 5 puts `namespace:` in front of every key, as it does unless its own `useKeyPrefix` is false. The adapter takes
   * it off, so that keys in Redis have one prefix. `false`: keys are stored as Keyv hands them over, which with a Keyv that does add its
   * prefix gives `namespace::namespace:key`, the keys of `@keyv/redis`. Default: taken off if it is there. Keyv 6 adds none.
   */
  readonly useKeyPrefix?: boolean | undefined;
}

/**
 * The storage adapter of Keyv 4, 5 and 6: `new Keyv({ store: new KeyvRedisStore('redis://localhost/1'), namespace: 'users' })`.
 *
 * Keyv 6 announces itself by reading `capabilities`, and then hands over bare keys and absolute times; before that, times are relative and
 * keys may have Keyv's prefix. What Keyv asks rejects only with `onFailure: 'throw'`: reads are misses, writes and deletions answer `false`,
 * and an `error` event tells. A deletion that cannot be sent waits (see `invalidations`). An iterator that cannot go on does reject.
 */
export class KeyvRedisStore {
  readonly #composition: Composition;
  readonly #namespace: Namespace;
  readonly #prefix: KeyPrefix;
  readonly #texts: KeyvTexts;
  #announced = false;
  #iterating = 0;
  #cache: ScopedCache | undefined;

  /**
   * @param connect a location, a client of node-redis, or options
   * @throws {OptionError} for an option that cannot be understood
   */
  constructor(connect?: Connect<KeyvRedisOptions>, options?: KeyvRedisOptions);
  /** @internal */
  constructor(connect: Connect<KeyvRedisOptions> | undefined, options: KeyvRedisOptions | undefined, texts: KeyvTexts);
  constructor(connect?: Connect<KeyvRedisOptions>, options?: KeyvRedisOptions, texts = new KeyvTexts()) {
    const { namespace, useKeyPrefix, ...rest } = optionsOf<KeyvRedisOptions>('KeyvRedisStore', connect, options);
    this.#namespace = new Namespace(namespace);
    this.#prefix = new KeyPrefix(useKeyPrefix);
    this.#texts = texts;
    this.#composition = compose(seeingValues(rest), 'keyv', undefined, texts);
  }

  /** What Keyv 6 asks an adapter for. A Keyv 4 or 5 that has the adapter already keeps it: then there is none, and Keyv 6 adapts to that. */
  get capabilities(): KeyvCapabilities | undefined {
    if (this.#prefix.taken) return undefined;
    if (!this.#announced) answerRawReadsOfCaller(readCapabilities);
    this.#announced = true;
    return capabilities;
  }

  /** Undefined while a Keyv 4 or 5 iterates: it skips keys that do not hold the namespace to the letter. */
  get namespace(): string | undefined {
    return this.#iterating > 0 ? undefined : this.#namespace.name;
  }

  /** Set by Keyv. @throws {OptionError} for a second, different namespace */
  set namespace(name: string | undefined) {
    this.#namespace.assign(name);
    if (!this.#announced) this.#prefix.take(name);
  }

  get opts(): AdapterInfo {
    return { dialect: 'redis', url: 'redis://', namespace: this.namespace };
  }

  /** node-redis's client, if one connection is shared by all calls (the default). */
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

  /** Which store this is, in the messages of the channels `redis-tier:command` and `redis-tier:load`. */
  get source(): Source {
    return this.#composition.parts.source;
  }

  /** What the adapter has done so far, and how it is now. Does not ask Redis. `{ reset: true }` starts from zero afterwards. */
  stats(options?: StatsOptions): StoreStats {
    return readStats(this.#composition.parts.counters, this.#composition.link, options);
  }

  /** What logs show of an adapter, and of a Keyv around it: none of its options. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.constructor.name} { status: '${this.status}' }`;
  }

  /** What is stored under the key: text that Keyv serialized comes back as it was. Redis: GET. */
  get<Value>(key: string): Promise<Value | undefined> {
    return this.#entries.get<Value>(this.#prefix.strip(key));
  }

  /** Redis: MGET */
  getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return this.#each(keys, (bare) => this.#entries.getMany<Value>(bare));
  }

  /**
   * Redis: SET with PX; UNLINK for an entry that has expired already.
   *
   * @param time milliseconds from now; for Keyv 6, milliseconds since 1970. `undefined` for the default time to live
   * @returns whether it was stored
   */
  set(key: string, value: unknown, time?: Milliseconds): Promise<boolean> {
    const bare = this.#prefix.strip(key);
    if (value instanceof Unencodable) return this.#refuse('set', bare, value);
    this.#texts.written(value);
    if (!this.#announced || typeof time !== 'number') return this.#entries.put(bare, value, time);
    const left = time - Date.now();
    if (left > 0) return this.#entries.put(bare, value, left);
    if (time < firstInstant) this.#refuseRelative(bare, time);
    return this.#unstored('set', bare);
  }

  /** Redis: SET with PX, pipelined. @returns whether each was stored, as `boolean[]` */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv 5 declares void and hands on what comes; Keyv 4 has none
  setMany(entries: KeyvEntry[]): Promise<any> {
    return unawaited(this.#setMany(entries));
  }

  async #setMany(entries: KeyvEntry[]): Promise<boolean[]> {
    const isPlain = ({ value, expires = Number.POSITIVE_INFINITY }: KeyvEntry): boolean =>
      !(value instanceof Unencodable) && !(this.#announced && expires <= Date.now());
    const [plain, odd] = [entries.filter(isPlain), entries.filter((entry) => !isPlain(entry))];
    for (const { value } of plain) this.#texts.written(value);
    const now = Date.now();
    const timed = plain.map(({ key, value, ttl, expires }) => {
      const left = this.#announced && typeof expires === 'number' ? Math.max(1, expires - now) : ttl;
      return [this.#prefix.strip(key), value, left] as const;
    });
    // The last entry of a key wins: deletions of a key that a later entry stores start before it.
    const last = new Map(entries.map((entry) => [entry.key, entry]));
    const isLast = (entry: KeyvEntry): boolean => last.get(entry.key) === entry;
    const remove = ({ key, value, expires }: KeyvEntry): Promise<boolean> => this.set(key, value, expires);
    const before = odd.filter((entry) => !isLast(entry)).map(remove);
    const storing = this.#entries.putMany(timed);
    const [stored] = await Promise.all([storing, ...before, ...odd.filter(isLast).map(remove)]);
    const results = new Map(plain.map((entry, i) => [entry, stored[i]]));
    return entries.map((entry) => results.get(entry) === true);
  }

  /** Redis: UNLINK. @returns whether the key existed; false as well if the deletion waits or failed */
  delete(key: string): Promise<boolean> {
    const removed = this.#settled(this.#entries.remove([this.#prefix.strip(key)], 'delete'), 0);
    return unawaited(removed.then((count) => count > 0));
  }

  /** Redis: UNLINK. @returns whether each key existed, as `boolean[]`, for Keyv 6; whether any did for others */
  // biome-ignore lint/suspicious/noExplicitAny: one boolean for Keyv 5, one for each key for Keyv 6
  deleteMany(keys: string[]): Promise<any> {
    return this.#each(keys, async (bare) => {
      const existed = await this.#settled(
        this.#entries.removeEach(bare),
        bare.map(() => false),
      );
      return this.#announced ? existed : existed.includes(true);
    });
  }

  /** Redis: EXISTS */
  has(key: string): Promise<boolean> {
    return this.#entries.has(this.#prefix.strip(key));
  }

  /** Redis: EXISTS, pipelined */
  hasMany(keys: string[]): Promise<boolean[]> {
    return this.#each(keys, (bare) => this.#entries.hasMany(bare));
  }

  /**
   * Deletes the entries of this namespace, and nothing else. Redis: SCAN and UNLINK, in batches. `{ lazy: true }`, which needs the option
   * `lazyClear`, makes them misses in one step and deletes them in the background. If Redis cannot be reached, the clear waits like a
   * deletion. A string (`@keyvhq/core` passes its namespace) limits it to keys that begin with it and a colon.
   */
  clear(options?: { readonly lazy?: boolean } | string): Promise<void> {
    return unawaited(this.#clear(options));
  }

  async #clear(options?: { readonly lazy?: boolean } | string): Promise<void> {
    if (typeof options === 'string' && options !== '') {
      await this.#settled(this.#entries.clearPattern(`${escapeGlob(`${options}:`)}*`), undefined);
    } else await this.#settled(this.#entries.clear(options || undefined), undefined);
  }

  /** Every key of the namespace with what is stored under it. Redis: SCAN and MGET. A key may come twice while Redis resizes its table. */
  async *iterator<Value>(_namespace?: string): AsyncGenerator<[string, Value], void> {
    this.#iterating += this.#announced ? 0 : 1;
    try {
      let page: string[] = [];
      for await (const key of this.#entries.iterate()) {
        page.push(key);
        if (page.length < pageSize) continue;
        yield* this.#page<Value>(page);
        page = [];
      }
      yield* this.#page<Value>(page);
    } finally {
      this.#iterating -= this.#announced ? 0 : 1;
    }
  }

  /** Makes every entry of this namespace with one of the tags a miss: see the store's `invalidateTags`, and the option `tags`. */
  invalidateTags(tags: readonly string[]): Promise<void> {
    return this.#entries.invalidateTags(tags);
  }

  /** Rewrites every entry of this namespace with the current serializer and compression: see the store's `reencode`. */
  reencode(options?: ReencodeOptions): AsyncGenerator<ReencodeProgress, void, undefined> {
    return this.#entries.reencode(options);
  }

  /** Listens to an event. Keyv listens to `error`, which tells of every failure, and emits it again. */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;
  // biome-ignore lint/suspicious/noExplicitAny: Keyv's signature
  on(event: string, listener: (...args: any[]) => void): this;
  on(event: string, listener: (...args: never[]) => void): this {
    if (event === 'error') this.#namespace.taken();
    this.#composition.parts.events.on(event as 'error', listener as never);
    return this;
  }

  off(event: string, listener: (...args: never[]) => void): this {
    this.#composition.parts.events.off(event as 'error', listener as never);
    return this;
  }

  /** Connects, for applications that want to fail at start-up if Redis is not there. */
  ready(): Promise<void> {
    return this.#composition.link.ready();
  }

  /** Asks Redis for a sign of life. Redis: PING. */
  ping(): Promise<void> {
    return this.#composition.link.ping();
  }

  /** Waits for calls in flight, at most `timeout` milliseconds, and closes the connections this adapter opened. Idempotent. */
  async disconnect(): Promise<void> {
    await this.#composition.link.disconnect();
  }

  /** What this process keeps of the namespace. @internal */
  kept(): ScopedCache | undefined {
    return this.#entries.kept();
  }

  /** Whether a Keyv iterates. @internal */
  get iterating(): boolean {
    return this.#iterating > 0;
  }

  /** Emits an error of a stored entry that the Keyv could not read. @internal */
  unreadable(error: CacheError): void {
    this.#emit('get', undefined, error);
  }

  /** The entries of the namespace, which the first use decides. @internal */
  protected get cache(): ScopedCache {
    return this.#entries;
  }

  get #entries(): ScopedCache {
    this.#cache ??= this.#open();
    return this.#cache;
  }

  #open(): ScopedCache {
    this.#namespace.decide();
    const { parts, namespace } = this.#composition;
    const { name } = this.#namespace;
    // A key function of the user's own does not know of namespaces; without a name the prefix is the namespace.
    return new ScopedCache(name && parts.keysOf ? { ...parts, keys: namespace(name) } : parts);
  }

  async *#page<Value>(keys: readonly string[]): AsyncGenerator<[string, Value], void, undefined> {
    const values = await this.#entries.getMany<Value>(keys, 'iterator');
    for (const [i, key] of keys.entries()) {
      const value = values[i];
      if (value !== undefined && (await this.#texts.iterable(value))) yield [this.#prefix.restore(key), value];
    }
  }

  /** Keyv has no place for a deletion that fails: it answers `instead`, and the `error` event has told. */
  async #settled<T>(deletion: Promise<T>, instead: T): Promise<T> {
    try {
      return await deletion;
    } catch (error) {
      if (this.#composition.parts.onFailure === 'throw') throw error;
      return instead;
    }
  }

  /** Keyv 6 never computes such a time: a Keyv 4 or 5 has taken an adapter of Keyv 6. */
  #refuseRelative(key: string, time: Milliseconds): void {
    const what = 'milliseconds since 1970: a Keyv 6 has this adapter, and a Keyv 4 or 5 needs one of its own';
    this.#emit('set', key, new ArgumentError(expected('expires', what, time)));
  }

  /** A value without bytes is not stored, and the one before it goes. */
  #refuse(name: string, key: string, { reason }: Unencodable): Promise<boolean> {
    this.#emit(name, key, reason);
    return this.#unstored(name, key);
  }

  /** Deletes the entry that a value was to replace. */
  #unstored(name: string, key: string): Promise<boolean> {
    const removed = this.#settled(this.#entries.discard([key], name), undefined);
    return unawaited(removed.then(() => false));
  }

  /** Runs a call on many keys without Keyv's prefix. Rejects, and does not throw, if `keys` is not an array. */
  #each<T>(keys: readonly string[], work: (bare: string[]) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => work(keys.map((key) => this.#prefix.strip(key)));
    return unawaited(run());
  }

  #emit(operation: string, key: string | undefined, error: CacheError | ArgumentError): void {
    const { counters, events } = this.#composition.parts;
    counters.failed(error);
    events.emit('error', Object.assign(error, key === undefined ? { operation } : { operation, key }));
  }
}

declareAsync(KeyvRedisStore.prototype);
const readCapabilities = Object.getOwnPropertyDescriptor(KeyvRedisStore.prototype, 'capabilities')?.get as () => unknown;
const pageSize = 100;
/** 1973: no entry that Keyv 6 writes expired before that. */
const firstInstant: Milliseconds = 1e11;
