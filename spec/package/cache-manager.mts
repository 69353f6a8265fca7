// cache-manager 6 and 7 over createKeyv, `new Keyv({ store })` and tiers.
import assert from 'node:assert/strict';
import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';
import { createKeyv, KeyvRedisStore } from 'redis-tier/keyv';

const location = process.env['REDIS'] ?? 'localhost:6379';
const namespace = `${process.env['TITLE']} ${process.pid}`;
const made = createKeyv(`redis://${location}`, { namespace: `${namespace}:made` });
const byHand = new Keyv({ store: new KeyvRedisStore({ location }), namespace: `${namespace}:by hand` });
const own = new Keyv({ store: new KeyvRedisStore(location, { namespace: `${namespace}:own` }) });
const tiered = createKeyv({ location, namespace: `${namespace}:tiered` });

for (const stores of [[made], [byHand], [own], [new Keyv(), tiered]]) {
  const cache = createCache({ stores, ttl: 60_000 });
  for (const value of [{ value: 999, currency: 'EUR' }, { expires: 5 }, [1, null], 'text', 0]) {
    const key = JSON.stringify(value);
    let calls = 0;
    const load = async () => {
      calls++;
      return value;
    };
    for (let i = 0; i < 3; i++) assert.deepEqual(await cache.wrap(key, load), value);
    assert.equal(calls, 1, `wrap called ${calls} times`);
    assert.deepEqual(await cache.get(key), value);
    assert.ok(Number(await cache.ttl(key)) > Date.now());
  }
  await cache.mset<unknown>([
    { key: 'a', value: 1 },
    { key: 'b', value: { value: 2 }, ttl: 1000 },
  ]);
  assert.deepEqual(await cache.mget(['a', 'b']), [1, { value: 2 }]);
  await cache.del('a');
  await cache.mdel(['b']);
  assert.equal((await cache.get('a')) ?? undefined, undefined);
  await cache.clear();
  await cache.disconnect();
}
