import { expect } from 'chai';
import { RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { openStore, stopping } from '../support/open.js';
import { firstBadTime, meanRefusal, pacedCalls } from '../support/paced-calls.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { SlowNetwork } from '../support/slow-network.js';

const ways: Readonly<Record<string, StoreOptions>> = { 'node-redis': {}, 'the direct connection': { parser: 'auto' } };

describe('a Redis that is slow', () => {
  const it = sideBySide();

  for (const [way, options] of Object.entries(ways)) {
    it(`more and more: the breaker opens soon after most calls miss, and then no call waits, over ${way}`, async () => {
      const server = stopping(await RedisServer.start());
      const network = stopping(await SlowNetwork.start(server.port));
      const store = openStore({ location: network.location, timeout: 300, onFailure: 'throw', ...options });
      await store.set('k', 1);
      const start = performance.now();
      network.latency = () => 1 + ((performance.now() - start) / 4000) * 450;
      let opened = Number.POSITIVE_INFINITY;
      store.on('breaker', () => {
        opened = Math.min(opened, performance.now());
      });
      const calls = await pacedCalls(store, 50, 6000);
      expect(opened - firstBadTime(calls, 300)).to.be.below(5000);
      expect(meanRefusal(calls)).to.be.below(1);
      expect(store.breaker).to.not.equal('closed');
    });

    it(`with some replies among many fast ones: the breaker stays closed, over ${way}`, async () => {
      const server = stopping(await RedisServer.start());
      const network = stopping(await SlowNetwork.start(server.port));
      const store = openStore({
        location: network.location,
        timeout: 300,
        onFailure: 'throw',
        pool: { class: RoundRobinPool, size: 5 },
        ...options,
      });
      await store.set('k', 1);
      const states: string[] = [];
      store.on('breaker', (state) => states.push(state));
      let replies = 0;
      network.latency = () => (++replies % 25 === 0 ? 450 : 0);
      const calls = await pacedCalls(store, 100, 5000);
      expect(calls.filter(({ isHit }) => !isHit).length).to.be.above(3);
      expect(states).to.deep.equal([]);
    });
  }
});
