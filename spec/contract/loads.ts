import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { CacheError, RedisStore, StandardSchema } from '../../src/index.js';
import { eachStore } from '../support/contract-store.js';
import type { Setting } from '../support/settings.js';
import { until } from '../support/until.js';

/** Numbers, which are stored as text. */
const numbers: StandardSchema<string, number> = {
  '~standard': {
    version: 1,
    vendor: 'spec',
    validate: (value) => (/^\d+$/.test(String(value)) ? { value: Number(value) } : { issues: [{ message: 'no number' }] }),
  },
};

/** What a store does with loads beyond a plain `getOrSet`. */
export function loadContract(setting: Setting): void {
  describe(`loads: ${setting.title}`, () => {
    let store: RedisStore;
    let errors: CacheError[];
    eachStore(setting, 'ERR_SCHEMA', (opened) => {
      ({ store, errors } = opened);
    });

    it('tell which tier a value came from', async () => {
      expect(await store.getOrSetDetailed('k', () => 1)).to.deep.equal({ value: 1, tier: 'made' });
      expect((await store.getOrSetDetailed('k', () => 2)).tier).to.be.oneOf(['near', 'redis']);
      const slow = () => sleep(50, 'slow');
      const tiers = (await Promise.all([1, 2].map(() => store.getOrSetDetailed('slow', slow)))).map(({ tier }) => tier);
      expect(tiers.sort()).to.deep.equal(['made', 'waited']);
    });

    it('take no value of before with `fresh`, and none of a load that began before', async () => {
      await store.set('k', 'old');
      expect(await store.getOrSet('k', () => 'new', { fresh: true })).to.equal('new');
      expect(await store.get('k')).to.equal('new');
      let end!: (value: string) => void;
      const before = store.getOrSet('other', () => new Promise<string>((resolve) => (end = resolve)));
      await until(() => end !== undefined);
      expect(await store.getOrSet('other', () => 'new', { fresh: true })).to.equal('new');
      end('old');
      expect(await before).to.equal('old');
      expect(await store.get('other')).to.equal('new');
    });

    it('of many keys are one call of the function for those that are missing', async () => {
      await store.set('b', 'stored');
      const asked: (readonly string[])[] = [];
      const failure = new Error('no d');
      const values = await store.getOrSetMany(['a', 'b', 'c', 'd', 'e', 'a'], (keys) => {
        asked.push([...keys].sort());
        return new Map(keys.filter((key) => key !== 'e').map((key) => [key, key === 'd' ? failure : `made ${key}`] as const));
      });
      expect(asked).to.deep.equal([['a', 'c', 'd', 'e']]);
      expect(values).to.deep.equal(['made a', 'stored', 'made c', failure, undefined, 'made a']);
      expect(await store.mget('a', 'c', 'd', 'e')).to.deep.equal(['made a', 'made c', undefined, undefined]);
    });

    it('of a memoized function are invalidated and refreshed by its arguments', async () => {
      let calls = 0;
      const square = store.memoize((n: number) => ({ square: n * n, call: ++calls }), { key: (n) => `square ${n}`, ttl: '1m' });
      expect([await square(2), await square(2), await square(3)].map(({ call }) => call)).to.deep.equal([1, 1, 2]);
      await square.invalidate(2);
      expect(await square(2)).to.deep.equal({ square: 4, call: 3 });
      expect(await square.refresh(2)).to.deep.equal({ square: 4, call: 4 });
      expect(await square(2)).to.deep.equal({ square: 4, call: 4 });
    });

    it('and values of a typed view match its schema', async () => {
      const typed = store.typed({ schema: numbers, ttl: '1m' });
      await typed.set('k', '1');
      expect(await typed.get('k')).to.equal(1);
      expect(await typed.mget('k', 'missing')).to.deep.equal([1, undefined]);
      expect(await typed.getOrSet('made', () => '2')).to.equal(2);
      expect(await typed.getOrSet('made', () => '3')).to.equal(2);
      await store.set('k', 'text');
      expect(await typed.get('k')).to.equal(undefined);
      await until(async () => !(await store.has('k')));
      expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_SCHEMA']);
    });
  });
}
