import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openStore } from '../support/open.js';
import { until } from '../support/until.js';

const window = 60_000;

for (const where of ['memory:', 'Redis', 'Redis with a near cache'] as const) {
  describe(`an entry with a stale window: ${where}`, () => {
    const options = { memory: { location: 'memory:' }, Redis: {}, near: { near: {} } }[
      where === 'memory:' ? 'memory' : where === 'Redis' ? 'Redis' : 'near'
    ];
    const open = (more = {}) => openStore({ ...options, ...more });

    it('that is touched is fresh for the new time to live and keeps its window', async () => {
      const store = open();
      const old = { ttl: 10_000, staleFor: window };
      await store.getOrSet('k', () => 'old', old);
      expect(await store.touch('k', 20_000)).to.equal(true);
      expect(await store.get('k')).to.equal('old');
      expect(await store.ttl('k')).to.be.within(79_000, 80_000);
      expect(await store.getOrSet('k', () => 'new', old)).to.equal('old');

      expect(await store.touch('k', 50)).to.equal(true);
      await sleep(60);
      expect(await store.get('k')).to.equal(undefined);
      expect(await store.getOrSet('k', () => 'new', old), 'served stale').to.equal('old');
      await until(async () => (await store.get('k')) === 'new');

      expect(await store.touch('k', 0)).to.equal(true);
      expect([await store.get('k'), await store.ttl('k')]).to.deep.equal(['new', -1]);
    });

    it('that is stale is fresh again once it is touched', async () => {
      const store = open();
      await store.getOrSet('k', () => 'old', { ttl: 10, staleFor: window, tags: ['t'] });
      await sleep(30);
      expect(await store.get('k')).to.equal(undefined);
      expect(await store.touch('k', 5000)).to.equal(true);
      expect(await store.get('k')).to.equal('old');
      await store.invalidateTags(['t']);
      expect(await store.get('k')).to.equal(undefined);
    });

    it('is in the way of add while get finds it, and not when it is stale', async () => {
      const store = open();
      await store.getOrSet('k', () => 'old', { ttl: 10_000, staleFor: window });
      expect(await store.add('k', 'new', 5000)).to.equal(false);
      await store.touch('k', 10);
      await sleep(30);
      expect(await Promise.all([store.add('k', 'new', 5000), store.add('k', 'newer', 5000)])).to.have.members([true, false]);
      expect(await store.get('k')).to.be.oneOf(['new', 'newer']);
      expect(await store.ttl('k')).to.be.within(1, 5000);
    });

    it('is in the way of add while its tags count, whatever the options and the new entry say of tags', async () => {
      const store = open();
      await store.getOrSet('k', () => 'old', { ttl: 10_000, staleFor: window, tags: ['t'] });
      expect(await store.add('k', 'new')).to.equal(false);
      await store.invalidateTags(['t']);
      expect(await store.add('k', 'new')).to.equal(true);
      expect(await store.get('k')).to.equal('new');
    });

    it('gets the longest time there is where it is persisted under maxTtl', async () => {
      const store = open({ maxTtl: 100_000 });
      await store.set('k', 1, 1000);
      expect(await store.persist('k')).to.equal(true);
      expect(await store.ttl('k')).to.be.within(99_000, 100_000);
      expect(await store.persist('none')).to.equal(false);
      await store.getOrSet('s', () => 1, { ttl: 1000, staleFor: 20_000 });
      expect(await store.persist('s')).to.equal(true);
      expect(await store.ttl('s')).to.be.within(119_000, 120_000);
      // Persisted before its end, on a busy machine as well.
      await store.set('t', 1, { tags: ['t'], ttl: 300 });
      await store.persist('t');
      await sleep(800);
      expect(await store.get('t')).to.equal(1);
    });
  });
}
