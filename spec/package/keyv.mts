// Keyv 5 and 6, as ES modules.
import assert from 'node:assert/strict';
import { Keyv } from 'keyv';
import { createKeyv, KeyvRedisStore } from 'redis-tier/keyv';

const location = process.env['REDIS'] ?? 'localhost:6379';
const namespace = `${process.env['TITLE']} ${process.pid}`;
const users: Keyv<{ name: string }> = createKeyv<{ name: string }>(location, { namespace: `${namespace}:users`, ttl: 60_000 });
assert.ok(users instanceof Keyv, 'the Keyv that the application imports');
const orders = new Keyv<number>({ store: new KeyvRedisStore({ location }), namespace: `${namespace}:orders` });
for (const keyv of [users, orders]) {
  keyv.on('error', (error: Error) => {
    throw error;
  });
}
await users.set('1', { name: 'Ada' });
await orders.set('1', 42, 60_000);
assert.deepEqual(await users.get('1'), { name: 'Ada' });
assert.deepEqual(await orders.get('1'), 42);
assert.deepEqual(await users.getMany(['1', '2']), [{ name: 'Ada' }, undefined]);
assert.equal(await users.delete('1'), true);
assert.equal(await users.has('1'), false);
await orders.clear();
assert.equal(await orders.get('1'), undefined);
await users.disconnect();
await orders.disconnect();
