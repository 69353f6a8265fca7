import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { CacheError, RedisStore, StoreOptions } from '../../src/index.js';
import { eachStore } from '../support/contract-store.js';
import type { Setting } from '../support/settings.js';
import { until } from '../support/until.js';

const minute = 60_000;
const aging = { ttl: minute, staleFor: minute };

/** What a store does with times to live beyond `set` and `touch`. */
export function timeContract(setting: Setting): void {
  describe(`times to live: ${setting.title}`, () => {
    let options: StoreOptions;
    let store: RedisStore;
    let errors: CacheError[];
    eachStore(setting, 'ERR_ARGUMENT', (opened) => {
      ({ store, options, errors } = opened);
    });

    const tagged = (): boolean => options.keyFunction === undefined && !('keyPrefix' in options);

    it('keep what the entry has left with keepTtl, and give a missing one that of the call', async () => {
      await store.set('k', 'old', minute);
      await store.set('k', 'new', { keepTtl: true, ttl: 10 * minute });
      expect(await store.get('k')).to.equal('new');
      expect(await store.ttl('k')).to.be.within(minute / 2, minute);
      await store.set('missing', 'new', { keepTtl: true, ttl: 10 * minute });
      expect(await store.ttl('missing')).to.be.within(5 * minute, 10 * minute);
      await store.set('ever', 'old', 0);
      await store.mset({ ever: 'new', k: 'newer', none: 'new' }, { keepTtl: true, ttl: '10m' });
      expect(await store.mget('ever', 'k', 'none')).to.deep.equal(['new', 'newer', 'new']);
      expect(await store.ttl('ever')).to.equal(-1);
      expect(await store.ttl('k')).to.be.within(minute / 2, minute);
      expect(await store.ttl('none')).to.be.within(5 * minute, 10 * minute);
    });

    it('keep with keepTtl what a fresh entry has left, not its stale window', async () => {
      await store.getOrSet('k', () => 'old', aging);
      await store.set('k', 'new', { keepTtl: true, ttl: 10 * minute });
      expect(await store.ttl('k')).to.be.within(minute / 2, minute);
      await store.getOrSet('stale', () => 'old', aging);
      await store.expire('stale');
      await store.set('stale', 'new', { keepTtl: true, ttl: 10 * minute });
      expect(await store.ttl('stale')).to.be.within(5 * minute, 10 * minute);
    });

    it('end with expireAt when a Date says, or milliseconds since 1970', async () => {
      await store.set('date', 1, { expireAt: new Date(Date.now() + minute) });
      await store.set('number', 1, { expireAt: Date.now() + minute });
      for (const key of ['date', 'number']) expect(await store.ttl(key)).to.be.within(minute / 2, minute);
      await store.set('date', 2, { expireAt: Date.now() - 1 });
      expect(await store.has('date')).to.equal(false);
      expect(await store.add('date', 2, { expireAt: new Date(Number.NaN) }).catch(({ code }) => code)).to.equal('ERR_ARGUMENT');
      expect(await store.add('date', 2, { expireAt: new Date(0) })).to.equal(false);
      expect(await store.add('date', 2, { expireAt: Date.now() - 1 })).to.equal(false);
      // Seconds since 1970 look like a date in January 1970.
      expect(await store.set('seconds', 1, { expireAt: Date.now() / 1000 + 60 }).catch(({ code }) => code)).to.equal('ERR_ARGUMENT');
      for (const both of [{ ttl: 1000 }, { keepTtl: true }])
        expect(await store.set('both', 1, { ...both, expireAt: Date.now() + minute }).catch(({ code }) => code)).to.equal('ERR_ARGUMENT');
    });

    it('start anew with getAndTouch, which gives the value', async () => {
      await store.set('k', { n: 1 }, minute);
      expect(await store.getAndTouch('k', 10 * minute)).to.deep.equal({ n: 1 });
      expect(await store.ttl('k')).to.be.within(5 * minute, 10 * minute);
      expect(await store.getAndTouch('k', 0)).to.deep.equal({ n: 1 });
      expect(await store.ttl('k')).to.equal(-1);
      expect(await store.getAndTouch('missing', minute)).to.equal(undefined);
      expect(await store.has('missing')).to.equal(false);
      await store.getOrSet('stale', () => 'old', aging);
      expect(await store.getAndTouch('stale', 10 * minute)).to.equal('old');
      await store.expire('stale');
      const left = await store.ttl('stale');
      expect(await store.getAndTouch('stale', 10 * minute)).to.equal(undefined);
      expect(await store.ttl('stale')).to.be.at.most(left);
    });

    it('start anew with each read through a view with sliding expiration', async () => {
      const view = store.with({ sliding: '10m' });
      await store.mset({ get: 1, mget: 2, load: 3 }, minute);
      expect(await view.get('get')).to.equal(1);
      expect(await view.mget('mget', 'missing')).to.deep.equal([2, undefined]);
      expect(await view.getOrSet('load', () => 4)).to.equal(3);
      for (const key of ['get', 'mget', 'load']) await until(async () => (await store.ttl(key)) > 5 * minute);
      await view.set('own', 1);
      expect(await store.ttl('own')).to.be.within(5 * minute, 10 * minute);
      expect(await view.has('missing')).to.equal(false);
      // What is stale stays so.
      await store.getOrSet('stale', () => 'old', aging);
      await store.expire('stale');
      expect(await view.get('stale')).to.equal(undefined);
      let end!: (value: string) => void;
      const { tier } = await view.getOrSetDetailed('stale', () => new Promise((resolve) => (end = resolve)), aging);
      expect(tier).to.equal('stale');
      expect(await store.get('stale')).to.equal(undefined);
      await until(() => end !== undefined);
      end('new');
    });

    it('are renewed by the reads of a view with sliding expiration alone, and of the entry that was read', async () => {
      const view = store.with({ sliding: '1h' });
      await store.mset({ touched: 1, taken: 1 }, minute);
      expect(await view.getAndTouch('touched', 5 * minute)).to.equal(1);
      expect(await view.getAndDelete('taken')).to.equal(1);
      await store.set('ever', 1, 0);
      expect(await view.get('ever')).to.equal(1);
      for (let i = 0; i < 10; i++) {
        const key = `k${i}`;
        await store.getOrSet(key, () => 'old', aging);
        await store.set(`short${i}`, 1, 5 * minute);
        const reads = [view.get(key), view.get(`short${i}`)];
        await Promise.all([store.expire(key), store.set(`short${i}`, 2, minute), ...reads]);
      }
      await sleep(100);
      expect(await store.ttl('touched')).to.be.at.most(5 * minute);
      expect(await store.has('taken')).to.equal(false);
      expect(await store.ttl('ever')).to.equal(-1);
      for (let i = 0; i < 10; i++) {
        expect(await store.get(`k${i}`)).to.equal(undefined);
        // Several connections have no order: the read may see what is written after it.
        if (options.pool === undefined) expect(await store.ttl(`short${i}`)).to.be.at.most(minute);
      }
    });

    it('end with expire: get misses the entry, and getOrSet serves it while it is renewed', async () => {
      await store.getOrSet('k', () => 'old', aging);
      expect(await store.expire('k')).to.equal(true);
      expect(await store.get('k')).to.equal(undefined);
      expect(await store.mget('k')).to.deep.equal([undefined]);
      // A second time prolongs nothing.
      const left = await store.ttl('k');
      expect(left).to.be.at.most(minute);
      expect(await store.expire('k')).to.equal(true);
      expect(await store.ttl('k')).to.be.at.most(left);
      expect(await store.getOrSetDetailed('k', () => 'new', aging)).to.deep.equal({ value: 'old', tier: 'stale' });
      await until(async () => (await store.get('k')) === 'new');
      // Without a stale window there is nothing to serve.
      await store.set('plain', 1);
      expect(await store.expire('plain')).to.equal(true);
      expect(await store.has('plain')).to.equal(false);
      expect(await store.expire('plain')).to.equal(false);
    });

    it('end with expireTags for all entries of a tag, which are served while they are renewed', async function () {
      if (!tagged()) this.skip();
      const how = { ...aging, tags: ['a', 'b'] };
      await store.getOrSet('k', () => 'old', how);
      await store.getOrSet('other', () => 'old', { ...aging, tags: ['b'] });
      await store.set('plain', 'old', { tags: ['a'] });
      await store.expireTags(['a']);
      expect(await store.mget('k', 'other', 'plain')).to.deep.equal([undefined, 'old', undefined]);
      expect(await store.get('k')).to.equal(undefined);
      expect(await store.getOrSetDetailed('plain', () => 'new', how)).to.deep.equal({ value: 'new', tier: 'made' });
      expect(await store.getOrSetDetailed('k', () => 'new', how)).to.deep.equal({ value: 'old', tier: 'stale' });
      await until(async () => (await store.get('k')) === 'new');
      expect((await store.getOrSetDetailed('k', () => 'newer', how)).value).to.equal('new');
      await store.expireTags(['a']);
      await store.invalidateTags(['a']);
      expect(await store.getOrSetDetailed('k', () => 'newer', how)).to.deep.equal({ value: 'newer', tier: 'made' });
      // Twice is as good as an invalidation.
      await store.expireTags(['a']);
      await store.expireTags(['a']);
      expect(await store.getOrSetDetailed('k', () => 'newest', how)).to.deep.equal({ value: 'newest', tier: 'made' });
    });

    it('leave an entry whose tag has expired no longer than its stale window, once it was read', async function () {
      if (!tagged()) this.skip();
      const how = { ttl: 10 * minute, staleFor: minute, tags: ['a'] };
      await store.getOrSet('k', () => 'old', how);
      await store.expireTags(['a']);
      // With the option `tags`, `ttl` tells of no entry that `get` misses.
      const left = await store.ttl('k');
      if (left !== -2) expect(left).to.be.above(5 * minute);
      const failing = (): never => {
        throw new Error('the database is away');
      };
      expect((await store.getOrSetDetailed('k', failing, how)).tier).to.equal('stale');
      await until(async () => (await store.ttl('k')) <= minute);
      expect((await store.getOrSetDetailed('k', failing, how)).value).to.equal('old');
      await until(() => errors.length > 0);
      errors.length = 0;
    });

    it('of what is written meanwhile are its own, when a load finds that a tag has expired', async function () {
      if (!tagged()) this.skip();
      const how = { ...aging, tags: ['a'] };
      for (let i = 0; i < 20; i++) {
        const key = `k${i}`;
        await store.getOrSet(key, () => 'old', how);
        await store.expireTags(['a']);
        const load = store.getOrSet(key, () => sleep(5, 'older'), how);
        for (let turns = 0; turns < i % 4; turns++) await new Promise((resolve) => setImmediate(resolve));
        await store.set(key, 'newer', minute);
        await load;
        await sleep(10);
        expect(await store.get(key)).to.equal('newer');
      }
    });

    it('stay with getAndTouch if a tag was invalidated', async function () {
      if (!tagged()) this.skip();
      await store.set('k', 1, { ttl: minute, tags: ['a'] });
      await store.invalidateTags(['a']);
      expect(await store.getAndTouch('k', 60 * minute)).to.equal(undefined);
      expect(await store.ttl('k')).to.be.at.most(minute);
    });

    it('keep the tags of an entry alive as long as it is, with keepTtl and getAndTouch', async function () {
      if (!tagged()) this.skip();
      await store.set('k', 'old', { ttl: 10 * minute });
      await store.set('k', 'new', { keepTtl: true, ttl: 1000, tags: ['a'] });
      expect(await store.get('k')).to.equal('new');
      expect(await store.getAndTouch('k', 60 * minute)).to.equal('new');
      expect(await store.get('k')).to.equal('new');
      await store.invalidateTags(['a']);
      expect(await store.getAndTouch('k', minute)).to.equal(undefined);
    });
  });
}
