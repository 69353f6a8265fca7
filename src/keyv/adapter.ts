import type { RedisClientType } from '@redis/client';
import type { BreakerState } from '../connection/breaker.js';
import type { Status } from '../connection/connection.js';
import { type Composition, compose } from '../create.js';
import type { StoreEvents } from '../events.js';
import type { ReencodeOptions, ReencodeProgress } from '../extras/reencode.js';
import type { StoreOptions } from '../options.js';
import { ScopedCache } from '../scope.js';
import { readStats, type StatsOptions, type StoreStats } from '../telemetry/stats.js';
import type { Source } from '../telemetry/tracing.js';
import type { Ttl } from '../ttl.js';
import { seeingValues } from './envelope.js';

export interface KeyvRedisOptions extends StoreOptions {
  /**
   * What the keys of this Keyv stand under: `namespace::key`, as `@keyv/redis` writes them. Keyv sets it. Default: the
   * `prefix` where there is one, else `'keyv'`.
   */
  readonly namespace?: string | undefined;
}

/** What Keyv finds out about an adapter by looking at `opts`. No connection options: they may hold a password. */
export interface AdapterInfo {
  /** By which Keyv 4 and 5 recognise an adapter that can iterate. */
  readonly dialect: 'redis';
  readonly url: string;
  readonly namespace: string | undefined;
}

/** What both Keyv contracts have in common: one core, in the key space of the namespace. */
export abstract class KeyvAdapter {
  readonly #composition: Composition;
  readonly #plain: ScopedCache;
  #namespace: string | undefined;
  #cache: ScopedCache;

  constructor(options: KeyvRedisOptions) {
    const { namespace, ...rest } = options;
    this.#composition = compose(seeingValues(rest), 'keyv');
    this.#plain = this.#cache = new ScopedCache(this.#composition.parts);
    this.namespace = namespace;
  }

  get namespace(): string | undefined {
    return this.#namespace;
  }

  set namespace(name: string | undefined) {
    this.#namespace = name;
    const { parts, namespace } = this.#composition;
    // A key function of the user's own knows nothing of namespaces; a nameless one is the prefix's.
    this.#cache = name && parts.keysOf ? new ScopedCache({ ...parts, keys: namespace(name) }) : this.#plain;
  }

  get opts(): AdapterInfo {
    return { dialect: 'redis', url: 'redis://', namespace: this.#namespace };
  }

  /** node-redis's client, where one connection is shared by all calls (the default). */
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
    return this.#composition.parts.source;
  }

  /** What the adapter has done so far, in all its namespaces, and how it is now. Asks nobody. `{ reset: true }` starts from zero afterwards. */
  stats(options?: StatsOptions): StoreStats {
    return readStats(this.#composition.parts.counters, this.#composition.link, options);
  }

  /** What logs show of an adapter, and of a Keyv around it: nothing that was handed to it. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.constructor.name} { status: '${this.status}' }`;
  }

  /** @internal */
  protected get cache(): ScopedCache {
    return this.#cache;
  }

  /**
   * Deletes the entries of this namespace, and nothing else. Redis: SCAN and UNLINK, in batches. `{ lazy: true }`, for which the
   * option `lazyClear` has to be set, makes them misses in one step and deletes them in the background. Rejects when it cannot be done.
   */
  async clear(options?: { readonly lazy?: boolean }): Promise<void> {
    await this.#cache.clear(options);
  }

  /** Makes every entry of this namespace with one of the tags a miss: see the store's `invalidateTags`, and the option `tags`. */
  invalidateTags(tags: readonly string[]): Promise<void> {
    return this.#cache.invalidateTags(tags);
  }

  /** What this process keeps of the namespace. @internal */
  kept(): ScopedCache | undefined {
    return this.#cache.kept();
  }

  /** Rewrites every entry of this namespace with the current serializer and compression: see the store's `reencode`. */
  reencode(options?: ReencodeOptions): AsyncGenerator<ReencodeProgress, void, undefined> {
    return this.#cache.reencode(options);
  }

  /** Listens to an event. Keyv does to `error`, which tells of every failure, and re-emits it. */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;
  // biome-ignore lint/suspicious/noExplicitAny: Keyv's signature
  on(event: string, listener: (...args: any[]) => void): this;
  on(event: string, listener: (...args: never[]) => void): this {
    this.#composition.parts.events.on(event as 'error', listener as never);
    return this;
  }

  off(event: string, listener: (...args: never[]) => void): this {
    this.#composition.parts.events.off(event as 'error', listener as never);
    return this;
  }

  /** Connects, for those who want start-up to fail when Redis is not there. */
  ready(): Promise<void> {
    return this.#composition.link.ready();
  }

  /** Asks Redis for a sign of life. Redis: PING. */
  ping(): Promise<void> {
    return this.#composition.link.ping();
  }

  /** Waits for what is in flight, at most `timeout` milliseconds, and closes the connections this adapter opened. Idempotent. */
  async disconnect(): Promise<void> {
    await this.#composition.link.disconnect();
  }

  /** The entries of the namespace, page by page, as stored. A key may come twice while Redis resizes its table. */
  protected async *entries<Value>(): AsyncGenerator<[string, Value], void, undefined> {
    let page: string[] = [];
    for await (const key of this.#cache.iterate()) {
      page.push(key);
      if (page.length < pageSize) continue;
      yield* this.#values<Value>(page);
      page = [];
    }
    yield* this.#values<Value>(page);
  }

  async *#values<Value>(keys: readonly string[]): AsyncGenerator<[string, Value], void, undefined> {
    const values = await this.#cache.getMany<Value>(keys);
    for (const [i, key] of keys.entries()) {
      const value = values[i];
      if (value !== undefined) yield [key, value];
    }
  }

  /** Stores many, each under its own time to live. */
  protected store(entries: readonly { key: string; value: unknown; ttl: Ttl }[]): Promise<boolean[]> {
    return this.#cache.putMany(entries.map(({ key, value, ttl }) => [key, value, ttl] as const));
  }
}

const pageSize = 100;
