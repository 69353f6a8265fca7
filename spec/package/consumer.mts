// What a user writes, compiled under the strictest settings and run from the packed tarball as an ES module.
import assert from 'node:assert/strict';
import { createCache, KeyvAdapter } from 'cache-manager';
import { Keyv } from 'keyv';
import * as tier from 'redis-tier';
import { type Entries, nullStore, RoundRobinPool, redisStore, type StoreOptions } from 'redis-tier';
import { createKeyv, type KeyvRedisOptions, KeyvRedisStore } from 'redis-tier/keyv';
import { type InstrumentOptions, instrument } from 'redis-tier/otel';

const sockets = () => process.getActiveResourcesInfo().filter((name) => /TCP|Pipe/.test(name) && !/(TTY|PipeWrap)/.test(name)).length;
assert.equal(sockets(), 0, 'importing connects to nothing');

const options: StoreOptions = { location: 'memory:', ttl: 60_000, version: undefined, isCacheable: (value) => value !== null };
const store = redisStore(options);
await store.set('k', { a: 1 });
const value = await store.get<{ a: number }>('k');
assert.equal(value?.a, 1);
const entries: Entries = { a: 1, b: 2 };
await store.mset(entries);
const many: unknown[] = await store.mget('a', 'b');
assert.deepEqual(many, [1, 2]);
const sum: number = await store.incr('n', 1, { initial: 0 });
assert.equal(sum, 1);
const left: number = await store.ttl('k');
assert.ok(left > 0);
for await (const key of store.iterate()) assert.equal(typeof key, 'string');
const failure = await store.incr('missing').catch((error: unknown) => error);
assert.ok(failure instanceof tier.MissingKeyError && failure.code === 'ERR_MISSING_KEY');

const otelOptions: InstrumentOptions = { keys: true };
const stopWatching = instrument(store, otelOptions);
await store.get('k');
stopWatching();
const { hits }: tier.StoreStats = store.stats();
assert.ok(hits > 0);
store.on('miss', ({ key }) => assert.equal(typeof key, 'string'));

const keyvOptions: KeyvRedisOptions = { location: 'memory:', namespace: 'users' };
const keyv: Keyv = createKeyv(keyvOptions);
await keyv.set('k', 1, 1000);
assert.equal(await keyv.get<number>('k'), 1);
const byHand = new Keyv({ store: new KeyvRedisStore({ location: 'memory:' }), namespace: 'n' });
const first = new Keyv(new KeyvRedisStore({ location: 'memory:' }));
const cache = createCache({ stores: [new Keyv(), keyv, byHand, first] });
await cache.set('k', 'v');
assert.equal(await cache.wrap('k', () => 'made'), 'v');
const adapted = createCache({ stores: [new Keyv({ store: new KeyvAdapter(redisStore(options)) })] });
await adapted.set('k', 2);
assert.equal(await adapted.get('k'), 2);

const pooled = redisStore({ location: 'localhost:1', pool: { class: RoundRobinPool, size: 2 } });
assert.equal(pooled.status, 'idle');
await pooled.disconnect();
assert.equal(await nullStore().get('k'), undefined);
assert.equal(sockets(), 0);
await Promise.all([store.disconnect(), cache.disconnect(), adapted.disconnect()]);
console.log('ESM fine');
