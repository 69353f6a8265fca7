import { expected, OptionError } from './errors.js';
import type { Entries } from './extras/entries.js';
import type { ScopedCache } from './scope.js';
import type { RedisStore } from './store.js';
import type { Ttl } from './ttl.js';

/**
 * What a store's near cache keeps, as a memory tier of its own in front of the store: a store as cache-manager 5 knows them, which
 * `KeyvAdapter` of cache-manager 6 and 7 takes too.
 */
export class CoherentMemory {
  readonly name = 'coherent-memory';
  readonly #kept: ScopedCache;

  /** @internal Use {@link coherentMemory}. */
  constructor(kept: ScopedCache) {
    this.#kept = kept;
  }

  /** The value, where the process keeps it. Redis is never asked: the tier behind this one does that. */
  get<T>(key: string): Promise<T | undefined> {
    return this.#kept.get<T>(key);
  }

  /** The values that the process keeps, `undefined` for the others. */
  mget(...keys: string[]): Promise<unknown[]> {
    return this.#kept.getMany(keys, 'mget');
  }

  /** Does nothing. The write to the store takes the entry away, and the next read from the store brings it. */
  async set(_key: string, _value: unknown, _ttl?: Ttl): Promise<void> {}

  /** Does nothing, as `set`. */
  async mset(_entries: Entries, _ttl?: Ttl): Promise<void> {}

  /** Does nothing: the deletion in the store takes the entry away. */
  async del(_key: string): Promise<void> {}

  /** Does nothing, as `del`. */
  async mdel(..._keys: string[]): Promise<void> {}

  /** Does nothing, as `del`. */
  async reset(): Promise<void> {}

  /** None: the tier behind knows them. */
  async keys(_pattern?: string): Promise<string[]> {
    return [];
  }

  /** Always -1, so that a `refreshThreshold` of cache-manager 5 refreshes nothing that would then be stored here. */
  async ttl(_key: string): Promise<number> {
    return -1;
  }
}

/**
 * A memory tier that stays true, for those who put one in front of Redis:
 * `multiCaching([await caching(coherentMemory(store)), await caching(store)])`. It is a view of the store's near cache, so how much
 * it holds and for how long is what the store's option `near` says, and an entry goes when Redis tells of a change, when this process
 * writes it by any method of the store, when its time to live ends, and when the tracking is lost.
 *
 * @throws {OptionError} for a store without `near`
 */
export function coherentMemory(store: RedisStore): CoherentMemory {
  const kept = store?.kept?.();
  if (!kept) throw new OptionError(expected('store', 'a store on Redis with the option `near`', store));
  return new CoherentMemory(kept);
}
