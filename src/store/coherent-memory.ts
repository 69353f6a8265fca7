import type { Entries } from '../cache/call-options.js';
import type { Reader } from '../cache/reader.js';
import { OptionError } from '../errors.js';
import { expected } from '../messages.js';
import type { Ttl } from '../ttl.js';
import { nearView, type RedisStore } from './store.js';

/** The near cache of a store as a memory tier in front of it: a store of cache-manager 5, which `KeyvAdapter` of 6 and 7 takes too. */
export class CoherentMemory {
  readonly name = 'coherent-memory';
  readonly #near: Reader;

  /** @internal Use {@link coherentMemory}. */
  constructor(near: Reader) {
    this.#near = near;
  }

  /** The value, if the process holds it. The tier behind this one asks Redis. */
  get<T>(key: string): Promise<T | undefined> {
    return this.#near.get<T>(key);
  }

  /** The values that the process holds, `undefined` for the others. */
  mget(...keys: string[]): Promise<unknown[]> {
    return this.#near.getMany(keys, 'mget');
  }

  /** Does nothing. The write to the store evicts the entry, and the next read from the store brings it. */
  async set(_key: string, _value: unknown, _ttl?: Ttl): Promise<void> {}

  /** Does nothing, as `set`. */
  async mset(_entries: Entries, _ttl?: Ttl): Promise<void> {}

  /** Does nothing: the deletion in the store evicts the entry. */
  async del(_key: string): Promise<void> {}

  /** Does nothing, as `del`. */
  async mdel(..._keys: string[]): Promise<void> {}

  /** Does nothing, as `del`. */
  async reset(): Promise<void> {}

  /** None: the tier behind lists them. */
  async keys(_pattern?: string): Promise<string[]> {
    return [];
  }

  /** Always -1, so that a `refreshThreshold` of cache-manager 5 refreshes nothing that would then be stored here. */
  async ttl(_key: string): Promise<number> {
    return -1;
  }
}

/**
 * A memory tier that stays true, in front of a store on Redis. It is a view of the near cache of the store: the option `near` says how much
 * it holds and for how long. An entry goes when Redis tells of a change, when this process writes it by any method of the store, when its
 * time to live ends, and when the connection that tracks is lost.
 *
 * @throws {OptionError} for a store without `near`
 * @example
 * const cache = multiCaching([await caching(coherentMemory(store)), await caching(store)]);
 */
export function coherentMemory(store: RedisStore): CoherentMemory {
  const near = (store as { [nearView]?: () => Reader | undefined } | undefined)?.[nearView]?.();
  if (!near) throw new OptionError(expected('store', 'a store on Redis with the option `near`', store));
  return new CoherentMemory(near);
}
