import { expect } from 'chai';
import { openStore } from '../support/open.js';
import { until } from '../support/until.js';

describe('sliding expiration', () => {
  it('renews by the time that an entry gets, which `maxTtl` bounds', async () => {
    const store = openStore({ maxTtl: 2000 });
    const view = store.with({ sliding: '1h' });
    await view.set('k', 'v');
    const end = performance.now() + 3500;
    await until(async () => {
      expect(await view.get('k')).to.equal('v');
      return performance.now() > end;
    });
  });

  it('renews an entry that was written, or touched by another view, since the last touch', async () => {
    const store = openStore();
    const [view, short] = [store.with({ sliding: '1h' }), store.with({ sliding: '10m' })];
    const touched = (min: number) => until(async () => (await store.ttl('k')) > min);
    const writes = [
      () => view.set('k', 2, 60_000),
      () => store.set('k', 2, 60_000),
      () => store.mset([['k', 2]], 60_000),
      async () => {
        await store.del('k');
        await store.add('k', 2, 60_000);
      },
      () => store.touch('k', 60_000),
      () => store.getAndTouch('k', 60_000),
      () => store.getOrSet('k', () => 2, { ttl: 60_000, fresh: true }),
      async () => {
        await short.get('k');
        await until(async () => (await store.ttl('k')) <= 600_000);
      },
    ];
    await view.set('k', 1);
    for (const write of writes) {
      await view.get('k');
      await touched(3_000_000);
      await write();
      await view.get('k');
      await touched(3_000_000);
    }
  });
});
