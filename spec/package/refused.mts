// Keyv 4 has no many-key methods, which cache-manager 6 and 7 call: createKeyv says so at once.
import assert from 'node:assert/strict';
import { createKeyv } from 'redis-tier/keyv';

assert.throws(() => createKeyv({ location: 'memory:' }), { code: 'ERR_OPTION', message: /npm install keyv@5/ });
