import type { Cache } from '../../src/cache/cache.js';
import type { SingleFlight } from '../../src/load/single-flight.js';
import { RedisStore } from '../../src/store/store.js';

/** The cache behind a store, for specs of what the store does not show. */
export function cacheOf(store: RedisStore): Cache {
  return RedisStore.partsOf(store).cache;
}

/** The loads of a store that are under way. */
export function flightsOf(store: RedisStore): SingleFlight {
  return RedisStore.partsOf(store).flights;
}
