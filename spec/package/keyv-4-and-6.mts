// createKeyv under a Keyv major that is not the one redis-tier is developed with.
import assert from 'node:assert/strict';
import { createKeyv } from 'redis-tier/keyv';

const keyv = createKeyv({ location: 'memory:', namespace: 'n', ttl: 60_000 });
await keyv.set('k', { a: 1 });
assert.deepEqual(await keyv.get('k'), { a: 1 });
assert.equal(await keyv.delete('k'), true);
await keyv.disconnect();
console.log('Keyv fine');
