import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { openStore, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { SlowNetwork } from '../support/slow-network.js';

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'our own parser': { parser: 'auto' } };

describe('a server that is far away', () => {
  const it = sideBySide();
  for (const [kind, options] of Object.entries(kinds))
    it(`is sent as much as the network takes, however long every answer takes: ${kind}`, async () => {
      const server = stopping(await RedisServer.start());
      const network = stopping(await SlowNetwork.start(server.port));
      network.latency = () => 350;
      const store = openStore({ location: network.location, timeout: 10_000, ...options });
      for (let i = 0; i < 3; i++) await store.set('few bytes', 1);
      const stored = await Promise.all(Array.from({ length: 400 }, (_, i) => store.set(`k${i}`, Buffer.alloc(20_000, 1))));
      expect(stored.filter(Boolean)).to.have.lengthOf(400);
    });
});
