import { randomUUID } from 'node:crypto';
import { createCache as createCache7 } from 'cache-manager';
import { caching } from 'cache-manager5';
import { createCache as createCache6 } from 'cache-manager6';
import { expect } from 'chai';
import { redisStore } from '../../src/index.js';
import type { KeyvModule } from '../../src/keyv/contract.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { KeyvRedisStore, storeOf } from '../../src/keyv.js';
import { majors } from '../contract/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing, rejection } from '../support/open.js';
import { random } from '../support/random.js';
import { until } from '../support/until.js';
import { amount } from '../support/whole.js';

// biome-ignore lint/suspicious/noExplicitAny: the constructors and instances of three majors
type Any = any;

const seed = Number(process.env['KEYV_SEED'] ?? Date.now() % 1_000_000);
const operations = amount({ some: 250, all: 1000 });

/** The ways to have a Keyv over Redis, and what else may be given to `storeOf`. */
function ways(keyv: KeyvModule, options: object = {}): Record<string, () => { readonly of: Any; readonly cache: Any }> {
  const { location } = sharedServer();
  const Keyv = keyv.Keyv ?? keyv.default;
  const own = { location, ...options };
  const plain = (of: Any) => ({ of, cache: of });
  const isFour = !keyv.KeyvHooks && !keyv.KeyvBridgeAdapter;
  const made = () => createKeyvOf(keyv, { ...own, namespace: randomUUID() }) as Any;
  return {
    createKeyv: () => plain(closing(made())),
    'new Keyv({ store, namespace })': () => plain(closing(new Keyv({ store: new KeyvRedisStore(own), namespace: randomUUID() }))),
    // Keyv 4 does not work in cache-manager 6 and 7.
    ...(isFour
      ? {}
      : {
          'cache-manager 6': () => {
            const cache = createCache6({ stores: [closing(made())] });
            return { of: cache, cache };
          },
          'cache-manager 7': () => {
            const cache = createCache7({ stores: [closing(made())] });
            return { of: cache, cache };
          },
        }),
  };
}

const remove = (cache: Any, key: string): Promise<unknown> => (cache.delete ?? cache.del).call(cache, key);

for (const [version, keyv] of Object.entries(majors)) {
  describe(`storeOf, under Keyv ${version}`, () => {
    it(`reads what the Keyv writes, and the reverse, in ${operations} random operations (seed ${seed})`, async () => {
      for (const [title, make] of Object.entries(ways(keyv))) {
        const { of, cache } = make();
        const store = storeOf(of);
        const next = random(seed);
        const model = new Map<string, unknown>();
        const values: readonly ((n: number) => unknown)[] = [
          (n) => n,
          (n) => `text ${n}`,
          (n) => ({ value: n }),
          (n) => [n, null],
          () => '{"value":5}',
        ];
        for (let i = 0; i < operations; i++) {
          const key = `k${Math.floor(next() * 8)}`;
          const value = (values[Math.floor(next() * values.length)] as (n: number) => unknown)(i);
          const choice = Math.floor(next() * 8);
          if (choice < 2) await cache.set(key, value, 60_000);
          else if (choice < 4) await store.set(key, value, 60_000);
          else if (choice === 4) await store.mset({ [key]: value, other: i });
          else if (choice === 5) await remove(cache, key);
          else if (choice === 6) await store.del(key);
          else expect(await store.getOrSet(key, () => value), `${title}, ${i}`).to.deep.equal(model.has(key) ? model.get(key) : value);
          if (choice === 5 || choice === 6) model.delete(key);
          else if (choice < 7 || !model.has(key)) model.set(key, value);
          if (choice === 4) model.set('other', i);
          const expected = model.get(key);
          expect((await cache.get(key)) ?? undefined, `${title}, ${i}`).to.deep.equal(expected);
          expect(await store.get(key), `${title}, ${i}`).to.deep.equal(expected);
        }
        expect(new Set(await store.keys()), title).to.deep.equal(new Set(model.keys()));
      }
    });

    it('has every method of a store, over the entries of the Keyv and no others', async () => {
      const [one, other] = [0, 1].map(() => ways(keyv, { tags: true })['createKeyv']?.().of);
      const store = storeOf(one);
      await other.set('k', 'of the other');
      await store.set('k', 1, { ttl: 60_000, tags: ['t'] });
      expect(await one.get('k')).to.equal(1);
      expect(await store.ttl('k')).to.be.within(50_000, 60_000);
      expect(await store.add('k', 2)).to.equal(false);
      await store.invalidateTags(['t']);
      expect(await one.get('k')).to.equal(undefined);
      expect(await store.add('k', 2)).to.equal(true);
      expect(await one.get('k')).to.equal(2);
      expect(await store.delPattern('*')).to.equal(1);
      expect([await one.get('k'), await other.get('k')]).to.deep.equal([undefined, 'of the other']);
      expect(await store.withLock('job', () => 'done')).to.equal('done');
      expect(storeOf(one)).to.equal(store);
      expect(await rejection(store.incr('n', 1, { initial: 0 }))).to.have.property('code', 'ERR_UNSUPPORTED');
    });

    it('gives the default time to live of the Keyv to what it stores', async () => {
      const of = createKeyvOf(keyv, { location: sharedServer().location, namespace: randomUUID(), ttl: 40_000 }) as Any;
      closing(of);
      await storeOf(of).set('k', 1);
      expect(await storeOf(of).ttl('k')).to.be.within(30_000, 40_000);
    });

    it('takes the time to live of the Keyv before that of its adapter, and the latter where the Keyv has none', async () => {
      const Keyv = keyv.Keyv ?? keyv.default;
      const adapter = () => new KeyvRedisStore(sharedServer().location, { namespace: randomUUID(), ttl: 600_000 });
      const [own, none] = [closing(new Keyv({ store: adapter(), ttl: 40_000 }) as Any), closing(new Keyv({ store: adapter() }) as Any)];
      for (const [of, ttl] of [
        [own, 40_000],
        [none, 600_000],
      ]) {
        await storeOf(of).set('k', 1);
        expect(await storeOf(of).ttl('k')).to.be.within(ttl - 10_000, ttl);
        await of.set('j', 1);
        expect(await storeOf(of).ttl('j')).to.be.within(ttl - 10_000, ttl);
      }
      // One that is set later on counts, too, and one without an end as the Keyv takes it.
      for (const ttl of [20_000, Number.POSITIVE_INFINITY]) {
        if (own.opts?.ttl !== undefined) own.opts.ttl = ttl;
        own.ttl = ttl;
        await storeOf(own).set('k', 1);
        await own.set('j', 1);
        const [ours, theirs] = [await storeOf(own).ttl('k'), await storeOf(own).ttl('j')];
        expect(Math.abs(ours - theirs), `${ttl}: ${ours}, ${theirs}`).to.be.below(5000);
      }
    });

    it('shares no decoded values of the near tier with the Keyv', async () => {
      const of = ways(keyv, { near: { freeze: true } })['createKeyv']?.().of;
      const store = storeOf(of);
      await of.set('k', { n: 1 });
      await until(async () => {
        expect(await of.get('k')).to.deep.equal({ n: 1 });
        expect(await store.get('k')).to.deep.equal({ n: 1 });
        return store.stats().near.hits > 4;
      });
    });
  });
}

describe('storeOf', () => {
  it('finds a store itself, and one behind cache-manager 5', async () => {
    const store = closing(redisStore(sharedServer().location));
    expect(storeOf(store)).to.equal(store);
    expect(storeOf(await caching(store as never))).to.equal(store);
    const copy = { ...store, ttl: 5 };
    expect(storeOf(copy)).to.equal(store);
    expect(storeOf(await caching(copy as never))).to.equal(store);
  });

  it('finds the store behind an adapter alone, whose values are in the envelope of a Keyv 5', async () => {
    const adapter = closing(new KeyvRedisStore(sharedServer().location, { namespace: randomUUID() }));
    await storeOf(adapter).set('k', { n: 1 });
    expect(await adapter.get('k')).to.equal('{"value":{"n":1}}');
  });

  it('refuses what has none of ours behind it, and what has several', () => {
    const of = () => createKeyvOf(majors['5.6.0'] as KeyvModule, { location: sharedServer().location, namespace: randomUUID() }) as Any;
    const several = createCache7({ stores: [closing(of()), closing(of())] });
    for (const wrong of [undefined, {}, new Map(), createCache7(), several]) {
      expect(() => storeOf(wrong as never))
        .to.throw(/storeOf: expected/)
        .with.property('code', 'ERR_OPTION');
    }
  });
});
