import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ReencodeProgress, StoreOptions } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { secretKey } from '../support/settings.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('getOrSet beside what else there is', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  /** Two stores on the same entries, as two processes would have them. */
  function two(options: StoreOptions = {}) {
    const one = openStore(options);
    return { one, other: openStore({ ...options, prefix: one.source.prefix }), prefix: one.source.prefix };
  }
  const stale = { ttl: 60_000, staleFor: 60_000 };

  describe('tags', () => {
    it('serves no stale value whose tag was invalidated', async () => {
      const { one, other, prefix } = two();
      expect(await one.getOrSet('k', () => 1, { ...stale, tags: ['t'] })).to.equal(1);
      await redis.pExpire(`${prefix}:k`, 30_000);
      expect(await other.getOrSet('k', () => Promise.reject(new Error('down')), stale)).to.equal(1);
      await other.invalidateTags(['t']);
      expect(await one.getOrSet('k', () => 2, { ...stale, tags: ['t'] })).to.equal(2);
      expect(await other.get('k')).to.equal(2);
    });

    for (const how of ['by the call', 'on the way'] as const) {
      it(`stores nothing that counts where a tag was invalidated while the function ran, the tag set ${how}`, async () => {
        const { one, other } = two();
        const given = await one.getOrSet(
          'k',
          async ({ setTags }) => {
            if (how === 'on the way') await setTags(['t']);
            await other.invalidateTags(['t']);
            return 'old';
          },
          how === 'by the call' ? { tags: ['t'] } : {},
        );
        expect(given).to.equal('old');
        expect(await one.get('k')).to.equal(undefined);
        expect(await one.getOrSet('k', ({ setTags }) => setTags(['t']).then(() => 'new'))).to.equal('new');
        expect(await other.get('k')).to.equal('new');
        await one.invalidateTags(['t']);
        expect(await other.get('k')).to.equal(undefined);
      });
    }

    it('shares no load that began before an invalidation with later callers', async () => {
      for (const invalidate of [
        (store: ReturnType<typeof openStore>) => store.invalidateTags(['t']),
        (store: ReturnType<typeof openStore>) => store.clear({ lazy: true }),
      ]) {
        const store = openStore({ lazyClear: true });
        let go = (): void => {};
        const before = store.getOrSet('k', () => new Promise((resolve) => (go = () => resolve('old'))), { tags: ['t'] });
        await until(async () => store.stats().loads === 1);
        await invalidate(store);
        const after = store.getOrSet('k', () => 'new', { tags: ['t'] });
        setTimeout(() => go(), 50);
        expect(await Promise.all([before, after])).to.deep.equal(['old', 'new']);
        expect(await store.get('k')).to.equal('new');
      }
    });

    it('gives each caller of a shared call a value of its own, tags and stale window or not', async () => {
      const store = openStore({ tags: true });
      const values = await Promise.all([1, 2, 3].map(() => store.getOrSet('k', () => ({ a: 1 }), { ...stale, tags: ['t'] })));
      expect(values).to.deep.equal([{ a: 1 }, { a: 1 }, { a: 1 }]);
      expect(new Set(values).size).to.equal(3);
    });

    it('sweeps and reencodes entries that carry tags and age, and leaves leases alone', async () => {
      const { one, other, prefix } = two({ lazyClear: true });
      await one.getOrSet('k', () => ({ a: 1 }), { ...stale, tags: ['t'] });
      await redis.set(`${prefix}#l:{${prefix}:k}`, 'token', { PX: 60_000 });
      const packed = openStore({ prefix, lazyClear: true, compression: { algorithm: 'gzip', threshold: 0 } });
      // The entry may be in any page of the scan: the server holds those of other specs as well.
      let last: ReencodeProgress | undefined;
      for await (const progress of packed.reencode()) last = progress;
      expect(last).to.include({ rewritten: 1, unreadable: 0 });
      const bytes = String(await redis.get(`${prefix}:k`));
      expect(bytes).to.include('stale.60000.').and.to.include('tags\0').and.to.include('+gzip');
      expect(await other.get('k')).to.deep.equal({ a: 1 });
      expect(await other.has('k')).to.equal(true);
      await one.invalidateTags(['t']);
      expect([await other.get('k'), await other.has('k')]).to.deep.equal([undefined, false]);
      await redis.del(`${prefix}#l:{${prefix}:k}`);
      await one.getOrSet('k', () => 2, stale);
      expect(await other.get('k')).to.equal(2);
      await other.clear({ lazy: true });
      expect(await one.get('k')).to.equal(undefined);
      await one.sweep();
      expect(await redis.exists(`${prefix}:k`)).to.equal(0);
    });
  });

  for (const [title, near] of Object.entries<StoreOptions>({
    'the near cache': { near: {} },
    'the near cache with frozen values': { near: { freeze: true } },
  })) {
    describe(title, () => {
      it('keeps nothing that is past its ttl from being a miss, and is told of what another process stores', async () => {
        const { one, other, prefix } = two(near);
        await one.getOrSet('k', () => 1, stale);
        await other.get('k');
        expect(await other.get('k')).to.equal(1);
        await redis.pExpire(`${prefix}:k`, 30_000);
        await until(async () => (await other.get('k')) === undefined);
        expect(await other.mget('k')).to.deep.equal([undefined]);
        expect(await other.getOrSet('k', () => 2, { ...stale, softTimeout: 5_000 })).to.equal(2);
        await until(async () => (await one.get('k')) === 2);
      });

      it('runs the function once for all, and lets a deletion win', async () => {
        const { one, other } = two(near);
        let calls = 0;
        await Promise.all([one.get('k'), other.get('k')]);
        const make = async () => {
          calls++;
          await sleep(200);
          return calls;
        };
        expect(await Promise.all([one.getOrSet('k', make), other.getOrSet('k', make)])).to.deep.equal([1, 1]);
        for (const erase of [
          () => other.del('k'),
          () => other.mdel('k', 'x'),
          () => cacheOf(other).writer.unlinkEach(['k']),
          () => cacheOf(other).writer.unlinkCounted(['k']),
        ]) {
          await one.del('k');
          expect(await one.getOrSet('k', () => erase().then(() => 'old'))).to.equal('old');
          await until(async () => (await one.get('k')) === undefined && (await other.get('k')) === undefined);
        }
      });
    });
  }

  it('encryption: values, copies and stale values are read under their key', async () => {
    const { one, other, prefix } = two({ encryption: { keys: [{ id: 'k', key: secretKey('k') }] } });
    const values = await Promise.all([1, 2].map(() => one.getOrSet('k', () => ({ a: 1 }), { ...stale, tags: ['t'] })));
    expect(values).to.deep.equal([{ a: 1 }, { a: 1 }]);
    expect(await other.get('k')).to.deep.equal({ a: 1 });
    await redis.pExpire(`${prefix}:k`, 30_000);
    expect(await other.getOrSet('k', () => Promise.reject(new Error('down')), stale)).to.deep.equal({ a: 1 });
    expect([...one.errors, ...other.errors].filter(({ code }) => code === 'ERR_CODEC')).to.deep.equal([]);
  });

  it('stats: counts calls of the function, stale values, and callers that waited for another process', async () => {
    const { one, other, prefix } = two();
    const make = async () => {
      await sleep(200);
      return 1;
    };
    const first = one.getOrSet('k', make, stale);
    await until(async () => one.stats().loads === 1);
    expect(await Promise.all([first, other.getOrSet('k', make, stale)])).to.deep.equal([1, 1]);
    expect(one.stats()).to.include({ loads: 1, misses: 1, hits: 0, leaseWaits: 0, writes: 1, staleServed: 0 });
    expect(other.stats()).to.include({ loads: 0, misses: 1, hits: 0, leaseWaits: 1, writes: 0 });
    await redis.pExpire(`${prefix}:k`, 30_000);
    const told: string[] = [];
    one.on('set', ({ key }) => told.push(`set ${key}`));
    one.on('hit', ({ key }) => told.push(`hit ${key}`));
    expect(await one.getOrSet('k', () => 2, stale)).to.equal(1);
    await until(async () => (await one.get('k')) === 2);
    expect(one.stats()).to.include({ staleServed: 1, loads: 2, writes: 2 });
    expect(told.slice(0, 2)).to.deep.equal(['hit k', 'set k']);
  });
});
