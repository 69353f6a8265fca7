import type { Milliseconds } from '../ttl.js';
import { KeyvAdapter, type KeyvRedisOptions } from './adapter.js';

export interface KeyvRedisOptionsV5 extends KeyvRedisOptions {
  /**
   * Whether Keyv puts `namespace:` in front of every key, as it does unless told otherwise: the same as the option
   * `useKeyPrefix` of Keyv 5. The adapter takes it off, so that there is one prefix. Default: taken off where it is there,
   * which is right for both settings but for keys that themselves begin with `namespace:`.
   */
  readonly useKeyPrefix?: boolean | undefined;
}

/** One entry of `setMany`, as Keyv 5 hands it over. */
export interface KeyvEntry {
  key: string;
  value: unknown;
  /** Milliseconds from now; never where it is left out. */
  ttl?: Milliseconds | undefined;
}

/**
 * The storage adapter of Keyv 4 and 5: relative time to live, one boolean for many keys.
 *
 * ```ts
 * new Keyv({ store: new KeyvRedisStoreV5({ location: 'redis://localhost/1' }), namespace: 'users' })
 * ```
 */
export class KeyvRedisStoreV5 extends KeyvAdapter {
  readonly #useKeyPrefix: boolean | undefined;

  constructor(options: KeyvRedisOptionsV5 = {}) {
    const { useKeyPrefix, ...rest } = options;
    super(rest);
    this.#useKeyPrefix = useKeyPrefix;
  }

  /** What is stored under the key: text that Keyv serialized comes back as it was. Redis: GET. */
  async get<Value>(key: string): Promise<Value | undefined> {
    return this.cache.get<Value>(this.#bare(key));
  }

  /** Redis: MGET */
  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return this.cache.getMany<Value>(keys.map((key) => this.#bare(key)));
  }

  /** Redis: SET with PX. @param ttl milliseconds from now @returns whether it was stored */
  async set(key: string, value: unknown, ttl?: Milliseconds): Promise<boolean> {
    return this.cache.put(this.#bare(key), value, ttl);
  }

  /** Redis: SET with PX, pipelined. @returns whether each was stored, as `boolean[]` */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv 5 declares void and hands on what comes; Keyv 4 has none
  async setMany(entries: KeyvEntry[]): Promise<any> {
    return this.store(
      entries.map(({ key, value, ttl }) => ({
        key: this.#bare(key),
        value,
        ttl,
      })),
    );
  }

  /** Redis: UNLINK. Rejects when it cannot be done. @returns whether the key existed */
  async delete(key: string): Promise<boolean> {
    return (await this.cache.remove([this.#bare(key)], 'delete')) > 0;
  }

  /** Redis: UNLINK. Rejects when it cannot be done. @returns whether any key existed */
  async deleteMany(keys: string[]): Promise<boolean> {
    return (
      (await this.cache.remove(
        keys.map((key) => this.#bare(key)),
        'deleteMany',
      )) > 0
    );
  }

  /** Redis: EXISTS */
  async has(key: string): Promise<boolean> {
    return this.cache.has(this.#bare(key));
  }

  /** Redis: EXISTS, pipelined */
  async hasMany(keys: string[]): Promise<boolean[]> {
    return this.cache.hasMany(keys.map((key) => this.#bare(key)));
  }

  /**
   * Every key of the namespace with what is stored under it. Redis: SCAN and MGET. The keys are as Keyv knows them:
   * behind `namespace:`, unless `useKeyPrefix` is false.
   */
  async *iterator<Value>(_namespace?: string): AsyncGenerator<[string, Value], void> {
    const front = this.#useKeyPrefix === false ? '' : this.#front;
    for await (const [key, value] of this.entries<Value>()) yield [front + key, value];
  }

  /** What Keyv puts in front of a key. Keyv 4 does so without a namespace too. */
  get #front(): string {
    return this.namespace ? `${this.namespace}:` : this.#useKeyPrefix ? ':' : '';
  }

  #bare(key: string): string {
    if (this.#useKeyPrefix === false) return key;
    const front = this.#front;
    return front !== '' && typeof key === 'string' && key.startsWith(front) ? key.slice(front.length) : key;
  }
}
