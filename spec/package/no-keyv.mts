// The adapter without any `keyv`: in @keyvhq/core, and createKeyv says what to install.
import assert from 'node:assert/strict';
import Keyv from '@keyvhq/core';
import { createKeyv, KeyvRedisStore } from 'redis-tier/keyv';

const store = new KeyvRedisStore(process.env['REDIS'], { namespace: `hq ${process.pid}` });
const [one, two] = ['one', 'two'].map((namespace) => new Keyv({ store, namespace }));
await one.set('k', { a: 1 }, 60_000);
await two.set('k', 2);
assert.deepEqual([await one.get('k'), await two.get('k')], [{ a: 1 }, 2]);
const found = [];
for await (const entry of one.iterator()) found.push(entry);
assert.deepEqual(found, [['k', { a: 1 }]]);
await one.clear();
assert.deepEqual([await one.get('k'), await two.get('k')], [undefined, 2]);
await two.clear();
await store.disconnect();
assert.throws(() => createKeyv(), { code: 'ERR_OPTION', message: /npm install keyv/ });
