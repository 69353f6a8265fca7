import type { Cache } from '../../src/cache/cache.js';
import { RedisStore } from '../../src/store/store.js';

/** The cache behind a store, for specs of what the store does not show. */
export function cacheOf(store: RedisStore): Cache {
  return RedisStore.partsOf(store).cache;
}
