import { KeyvAdapter, type KeyvRedisOptions } from './adapter.js';

/** One entry of `setMany`, as Keyv 6 hands it over. */
export interface KeyvStorageEntry {
  key: string;
  value: unknown;
  /** When it expires, in milliseconds since 1970; never where it is left out. */
  expires?: number | undefined;
}

type Method = { exists: boolean; methodType: 'sync' | 'async' | 'none' };
const methods = ['get', 'getMany', 'has', 'hasMany', 'set', 'setMany', 'delete', 'deleteMany', 'clear', 'disconnect', 'iterator'] as const;

/** What Keyv 6 wants to know of an adapter: written down here because nothing but `createKeyv` may import Keyv. */
export interface KeyvCapabilities {
  compatible: boolean;
  store: 'keyvStorage';
  methods: Record<(typeof methods)[number], Method>;
  expires: boolean;
}

/**
 * The storage adapter of Keyv 6: absolute expiry, one boolean per key.
 *
 * ```ts
 * new Keyv({ store: new KeyvRedisStore({ location: 'redis://localhost/1' }), namespace: 'users' })
 * ```
 */
export class KeyvRedisStore extends KeyvAdapter {
  constructor(options: KeyvRedisOptions = {}) {
    super(options);
  }

  get capabilities(): KeyvCapabilities {
    const described = Object.fromEntries(methods.map((name) => [name, { exists: true, methodType: 'async' } satisfies Method]));
    return {
      compatible: true,
      store: 'keyvStorage',
      methods: described as KeyvCapabilities['methods'],
      expires: true,
    };
  }

  /** What is stored under the key: text that Keyv serialized comes back as it was. Redis: GET. */
  async get<Value>(key: string): Promise<Value | undefined> {
    return this.cache.get<Value>(key);
  }

  /** Redis: MGET */
  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return this.cache.getMany<Value>(keys);
  }

  /**
   * Redis: SET with PX; UNLINK for what has expired already.
   *
   * @param expires milliseconds since 1970; `undefined` for the adapter's default time to live
   * @returns whether it was stored
   */
  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    const ttl = remaining(expires);
    if (ttl !== undefined && ttl <= 0) {
      await this.cache.remove([key], 'set');
      return false;
    }
    return this.cache.put(key, value, ttl);
  }

  /** Redis: SET with PX, pipelined. @returns whether each was stored */
  async setMany(entries: KeyvStorageEntry[]): Promise<boolean[]> {
    const timed = entries.map(({ key, value, expires }) => ({
      key,
      value,
      ttl: remaining(expires),
    }));
    const expired = timed.filter(({ ttl }) => ttl !== undefined && ttl <= 0).map(({ key }) => key);
    await this.cache.remove(expired, 'set');
    const stored = await this.store(timed.filter(({ ttl }) => ttl === undefined || ttl > 0));
    let next = 0;
    return timed.map(({ ttl }) => (ttl !== undefined && ttl <= 0 ? false : stored[next++] === true));
  }

  /** Redis: UNLINK. Rejects when it cannot be done. @returns whether the key existed */
  async delete(key: string): Promise<boolean> {
    return (await this.cache.remove([key], 'delete')) > 0;
  }

  /** Redis: UNLINK, pipelined. Rejects when it cannot be done. @returns whether each key existed */
  async deleteMany(keys: string[]): Promise<boolean[]> {
    return this.cache.removeEach(keys);
  }

  /** Redis: EXISTS */
  async has(key: string): Promise<boolean> {
    return this.cache.has(key);
  }

  /** Redis: EXISTS, pipelined */
  async hasMany(keys: string[]): Promise<boolean[]> {
    return this.cache.hasMany(keys);
  }

  /** Every key of the namespace with what is stored under it. Redis: SCAN and MGET. */
  async *iterator<Value>(): AsyncGenerator<[string, Value], void> {
    yield* this.entries<Value>();
  }
}

function remaining(expires: number | undefined): number | undefined {
  return expires === undefined || expires === null ? undefined : expires - Date.now();
}
