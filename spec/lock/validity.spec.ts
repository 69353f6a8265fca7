import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { openStore, stopping } from '../support/open.js';

describe('the time of a lock', () => {
  it('counts from before Redis is asked for it or for its renewal, so that no process believes in it longer than Redis', async () => {
    const proxy = stopping(await FaultProxy.start(sharedServer().port, new Random(1)));
    const store = openStore({ location: proxy.location });
    // Redis knows the scripts from now on: each call is one round trip.
    await store.withLock('warm', (lock) => lock.renew());
    // Each answer takes about 100 ms.
    proxy.become({ kind: 'late', by: 50, jitter: 0 });
    const [ttl, tolerance] = [300, 30];
    const options = { ttl, renew: false };
    const until = (time: number) => sleep(time - performance.now());
    const acquired = async () => {
      const asked = performance.now();
      const lock = await store.lock('acquired', options);
      await until(asked + ttl + tolerance);
      return lock.held;
    };
    const renewed = async () => {
      const lock = await store.lock('renewed', options);
      const asked = performance.now();
      await lock.renew();
      await until(asked + ttl + tolerance);
      return lock.held;
    };
    expect(await Promise.all([acquired(), renewed()])).to.deep.equal([false, false]);
    proxy.become({ kind: 'open' });
  });
});
