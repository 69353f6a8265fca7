// The face of cache-manager 5, whose own types come with a dependency that does not compile under every strict flag.
import assert from 'node:assert/strict';
import { caching, multiCaching, type Store } from 'cache-manager';
import { type RedisStore, redisStore } from 'redis-tier';

const cache = await caching(redisStore({ location: 'memory:', ttl: 60_000 }));
const awaited = await caching(await redisStore({ location: 'memory:' }));
const factory = await caching(redisStore, { location: 'memory:', ttl: 1000 });
const store: RedisStore = factory.store;
const contract: Store = store;
const tiers = multiCaching([await caching('memory', { max: 100, ttl: 0 }), cache]);
await tiers.set('k', 1);
assert.equal(await tiers.get<number>('k'), 1);
assert.equal(await cache.wrap('w', async () => 2), 2);
assert.equal(await cache.store.has('w'), true);
assert.equal(await contract.get('missing'), undefined);
await awaited.set('k', 1);
console.log('cache-manager 5 fine');
