// Keyv 4, from CommonJS.
import assert = require('node:assert/strict');
import Keyv = require('keyv');

import { createKeyv, KeyvRedisStore } from 'redis-tier/keyv';

async function main(): Promise<void> {
  const location = process.env['REDIS'] ?? 'localhost:6379';
  const namespace = `${process.env['TITLE']} ${process.pid}`;
  const made = createKeyv(location, { namespace: `${namespace}:made`, ttl: 60_000 });
  const byHand = new Keyv({ store: new KeyvRedisStore({ location }), namespace: `${namespace}:by hand` });
  for (const keyv of [made, byHand]) {
    await keyv.set('k', { value: 1 });
    assert.deepEqual(await keyv.get('k'), { value: 1 });
    assert.equal(await keyv.delete('k'), true);
    await keyv.clear();
    await keyv.disconnect();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
