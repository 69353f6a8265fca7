import { expect } from 'chai';
import { FaultProxy } from '../../support/chaos/proxy.js';
import { Random } from '../../support/chaos/random.js';
import { sharedServer } from '../../support/hooks.js';
import { openStore, stopping, untilReady } from '../../support/open.js';
import { until } from '../../support/until.js';

describe('What the server pushes', () => {
  it('is no sign that commands arrive: a connection that loses them is replaced meanwhile', async () => {
    const proxy = stopping(await FaultProxy.start(sharedServer().port, new Random(1)));
    const store = openStore({ location: proxy.location, timeout: 300, near: {} });
    const other = openStore({ prefix: store.source.prefix });
    await untilReady(store);
    const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
    await store.mset(Object.fromEntries(keys.map((key) => [key, 1])));
    await until(async () => {
      await store.mget(...keys);
      return store.stats().near.entries === keys.length;
    });
    proxy.present({ kind: 'swallow', way: 'requests' });
    let next = 0;
    // Each key is announced once.
    const writing = setInterval(() => void other.set(keys[next++] as string, 2), 20);
    try {
      void store.set('k', 3);
      await until(() => proxy.accepted > 1, 4000);
      expect(next).to.be.below(keys.length);
      await until(async () => (await store.get('k0')) === 2, 2000);
    } finally {
      clearInterval(writing);
    }
  });
});
