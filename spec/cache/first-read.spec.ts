import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { openStore } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { onOwnServer, type RawClient } from '../support/wire.js';

/** Reads of an entry, each with what it gives. */
const reads: Readonly<Record<string, readonly [(store: RedisStore) => Promise<unknown>, unknown]>> = {
  get: [(store) => store.get('k'), 1],
  mget: [(store) => store.mget('k', 'none'), [1, undefined]],
  getOrSet: [(store) => store.getOrSet('k', () => 'made'), 1],
  has: [(store) => store.has('k'), true],
  ttl: [(store) => store.ttl('k'), -1],
  touch: [(store) => store.touch('k', 60_000), true],
  persist: [(store) => store.persist('k'), true],
  'getOrSet of an entry with tags': [(store) => store.getOrSet('tagged', () => 'made'), 2],
  'get of an entry with a stale window': [(store) => store.get('ageing'), 3],
  getAndDelete: [(store) => store.getAndDelete('k'), 1],
};

const kinds: Readonly<Record<string, StoreOptions>> = {
  'a plain store': {},
  '`lazyClear`': { lazyClear: true },
  '`lazyClear`, without batches': { lazyClear: true, batch: false },
  '`tags`': { tags: () => ['all', 'more'] },
  '`tags`, without batches': { tags: () => ['all', 'more'], batch: false },
  '`lazyClear` and `near`': { lazyClear: true, near: {} },
  '`tags` and `near`': { tags: () => ['all', 'more'], near: {} },
  '`lazyClear`, over the direct connection': { lazyClear: true, batch: false, parser: 'auto' },
};

describe('the first call after an outage, which is the trial of the breaker', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });

  for (const [kind, options] of Object.entries(kinds))
    it(`is answered as any other: ${kind}`, async () => {
      const store = openStore({ location: server.location, ...options });
      for (const [name, [read, value]] of Object.entries(reads)) {
        await store.set('k', 1, name === 'ttl' ? undefined : 60_000);
        await store.getOrSet('tagged', () => 2, { tags: ['t', 'u'], ttl: 60_000 });
        await store.getOrSet('ageing', () => 3, { ttl: 60_000, staleFor: 60_000 });
        await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
        for (let i = 0; store.breaker !== 'open'; i++) await store.get(`none ${name} ${i}`);
        await until(() => store.status === 'ready');
        await sleep(20);
        store.errors.length = 0;
        expect(await read(store).catch((error: Error) => error.message), name).to.deep.equal(value);
        expect(store.errors, name).to.deep.equal([]);
      }
    });
});
