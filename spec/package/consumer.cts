// The same from CommonJS.
import assert = require('node:assert/strict');

import { redisStore } from 'redis-tier';
import { createKeyv, KeyvRedisStore } from 'redis-tier/keyv';
import { instrument } from 'redis-tier/otel';

async function main(): Promise<void> {
  const store = redisStore({ location: 'memory:' });
  const stopWatching = instrument(store);
  await store.set('k', [1]);
  stopWatching();
  assert.deepEqual(await store.get<number[]>('k'), [1]);
  const keyv = createKeyv({ location: 'memory:', namespace: 'n' });
  await keyv.set('k', 'v');
  assert.equal(await keyv.get('k'), 'v');
  assert.equal(typeof KeyvRedisStore, 'function');
  await store.disconnect();
  await keyv.disconnect();
  console.log('CommonJS fine');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
