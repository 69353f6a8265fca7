import { randomUUID } from 'node:crypto';
import * as cm7 from 'cache-manager';
import * as cm5 from 'cache-manager5';
import * as cm6 from 'cache-manager6';
import { expect } from 'chai';
import { Keyv } from 'keyv';
import { redisStore, type StoreOptions } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import type { Setting } from '../support/settings.js';
import { until } from '../support/until.js';

/** The part of the contract that all majors share, in one shape. */
interface AnyCache {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttl?: number): Promise<unknown>;
  del(key: string): Promise<unknown>;
  wrap<T>(key: string, make: () => Promise<T>, ttl?: number): Promise<T>;
  mget(...keys: string[]): Promise<unknown[]>;
  mset(entries: Record<string, unknown>, ttl?: number): Promise<unknown>;
  mdel(...keys: string[]): Promise<unknown>;
  clear(): Promise<unknown>;
  close(): Promise<unknown>;
}

type FactoryRunner = (options: StoreOptions) => Promise<AnyCache>;

function five(cache: cm5.Cache<ReturnType<typeof redisStore>>): AnyCache {
  const { store } = cache;
  return {
    ...cache,
    mget: (...keys) => store.mget(...keys),
    mset: (entries, ttl) => store.mset(Object.entries(entries), ttl),
    mdel: (...keys) => store.mdel(...keys),
    clear: () => cache.reset(),
    close: () => store.disconnect(),
  };
}

/** cache-manager 6 makes null of every miss; that is its contract, not ours. */
function later(cache: cm6.Cache | cm7.Cache): AnyCache {
  return {
    get: async (key) => (await cache.get(key)) ?? undefined,
    set: (key, value, ttl) => cache.set(key, value, ttl),
    del: (key) => cache.del(key),
    wrap: (key, make, ttl) => cache.wrap(key, make, ttl),
    mget: async (...keys) => (await cache.mget(keys)).map((value) => value ?? undefined),
    mset: (entries, ttl) =>
      cache.mset(Object.entries(entries).map(([key, value]) => ({ key, value, ...(ttl === undefined ? {} : { ttl }) }))),
    mdel: (...keys) => cache.mdel(keys),
    clear: () => cache.clear(),
    close: () => cache.disconnect(),
  };
}

function tiers(options: StoreOptions): Promise<AnyCache> {
  return Promise.all([cm5.caching('memory', { max: 100, ttl: 0 }), cm5.caching(redisStore(options))]).then(([memory, redis]) => ({
    ...cm5.multiCaching([memory as never, redis]),
    mset: (entries, ttl) => cm5.multiCaching([memory as never, redis]).mset(Object.entries(entries), ttl),
    clear: () => cm5.multiCaching([memory as never, redis]).reset(),
    close: () => redis.store.disconnect(),
  }));
}

/** Every way in which the majors take us. */
export const ways: Record<string, FactoryRunner> = {
  '5.7.6, an instance': async (options) => five(await cm5.caching(redisStore(options))),
  '5.7.6, an instance that was awaited': async (options) => five(await cm5.caching(await redisStore(options))),
  '5.7.6, a factory': async (options) => five((await cm5.caching(redisStore, options as never)) as never),
  '5.7.6, multiCaching behind a memory tier': tiers,
  '6.4.3, createKeyv': async ({ prefix, ...options }) =>
    later(cm6.createCache({ stores: [createKeyv({ ...options, namespace: prefix }) as never] })),
  '6.4.3, KeyvAdapter': async (options) =>
    later(cm6.createCache({ stores: [new Keyv({ store: new cm6.KeyvAdapter(redisStore(options)) })] })),
  '7.2.9, createKeyv': async ({ prefix, ...options }) =>
    later(cm7.createCache({ stores: [createKeyv({ ...options, namespace: prefix })] })),
  '7.2.9, createKeyv behind a memory tier': async ({ prefix, ...options }) =>
    later(cm7.createCache({ stores: [new Keyv(), createKeyv({ ...options, namespace: prefix })] })),
  '7.2.9, KeyvAdapter': async (options) =>
    later(cm7.createCache({ stores: [new Keyv({ store: new cm7.KeyvAdapter(redisStore(options)) })] })),
};

export function cacheManagerContract(way: string, setting: Setting): void {
  describe(`cache-manager ${way}: ${setting.title}`, () => {
    let options: StoreOptions;
    let cache: AnyCache;
    before(async () => {
      options = { timeout: 10_000, ...(await setting.options()) };
    });
    after(() => setting.after?.());
    beforeEach(async () => {
      // A busy machine, at the start of a run, is no failure of the contract.
      cache = await (ways[way] as FactoryRunner)({ timeout: 5000, ...options, prefix: (setting.scope ?? '') + randomUUID() });
    });
    afterEach(async () => {
      await cache.clear();
      await cache.close();
    });

    it('sets, gets and deletes', async () => {
      expect(await cache.get('missing')).to.equal(undefined);
      for (const value of [0, '', false, 'text', ':colon', { a: [1, null] }]) {
        await cache.set('k', value, 60_000);
        expect(await cache.get('k')).to.deep.equal(value);
      }
      await cache.del('k');
      expect(await cache.get('k')).to.equal(undefined);
    });

    it('wraps: calls once, then answers from the cache', async () => {
      let calls = 0;
      const make = async (): Promise<{ made: number }> => ({ made: ++calls });
      expect(await cache.wrap('w', make, 60_000)).to.deep.equal({ made: 1 });
      expect(await cache.wrap('w', make, 60_000)).to.deep.equal({ made: 1 });
      expect(calls).to.equal(1);
    });

    it('has the many-key forms', async () => {
      await cache.mset({ a: 1, b: { c: 2 } }, 60_000);
      expect(await cache.mget('a', 'missing', 'b')).to.deep.equal([1, undefined, { c: 2 }]);
      await cache.mdel('a', 'missing');
      expect(await cache.mget('a', 'b')).to.deep.equal([undefined, { c: 2 }]);
    });

    it('lets entries expire', async () => {
      await cache.set('short', 1, 10);
      await until(async () => (await cache.get('short')) === undefined, 5000);
      expect(await cache.get('short')).to.equal(undefined);
    });

    it('clears what is its own', async () => {
      await cache.mset({ a: 1, b: 2 });
      await cache.clear();
      expect(await cache.mget('a', 'b')).to.deep.equal([undefined, undefined]);
    });
  });
}
