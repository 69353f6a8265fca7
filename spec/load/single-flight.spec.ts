import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { enclosingFunction } from '../../src/load/single-flight.js';
import { openStore, rejection } from '../support/open.js';
import { until } from '../support/until.js';

type Store = ReturnType<typeof openStore>;
type Bounded = ReturnType<Store['with']>;

describe('a getOrSet whose function needs its own key', () => {
  const settings: Readonly<Record<string, StoreOptions>> = {
    '': {},
    ', with a near cache': { near: {} },
    ', of keys that have no leases': { keyPrefix: 'literal:cycle' },
    ', in memory:': { location: 'memory:' },
  };
  for (const [suffix, options] of Object.entries(settings)) {
    const open = async (): Promise<Store> => {
      const store = openStore(options);
      await store.mdel('a', 'b', 'c');
      return store;
    };
    const cycles: Readonly<Record<string, { keys: string | RegExp; ask(store: Store): Promise<unknown> }>> = {
      directly: { keys: '"a" → "a"', ask: (store) => store.getOrSet('a', () => store.getOrSet('a', () => 'inner')) },
      'after an await': {
        keys: '"a" → "a"',
        ask: (store) =>
          store.getOrSet('a', async () => {
            await sleep(10);
            return store.getOrSet('a', () => 'inner');
          }),
      },
      'through other loads': {
        keys: '"a" → "b" → "c" → "a"',
        ask: (store) => store.getOrSet('a', () => store.getOrSet('b', () => store.getOrSet('c', () => store.getOrSet('a', () => 'inner')))),
      },
      'through a view of the store': {
        keys: '"a" → "b" → "a"',
        ask: (store) => store.with({ timeout: 900 }).getOrSet('a', () => store.getOrSet('b', () => store.getOrSet('a', () => 'inner'))),
      },
      'through one that another caller has begun': {
        // Which of the two is refused depends on which asks last.
        keys: /: ("a" → "b" → "a"|"b" → "a" → "b")$/,
        async ask(store) {
          const needs = async (other: string) => {
            await sleep(50);
            return store.getOrSet(other, () => 'inner');
          };
          const both = [store.getOrSet('a', () => needs('b')), store.getOrSet('b', () => needs('a'))];
          const [settled] = await Promise.allSettled(both);
          for (const each of await Promise.allSettled(both)) expect(each.status).to.equal('rejected');
          if (settled?.status === 'rejected') throw settled.reason;
        },
      },
    };
    for (const [title, { keys, ask }] of Object.entries(cycles)) {
      it(`rejects at once with the keys of the cycle: ${title}${suffix}`, async () => {
        const store = await open();
        const begun = performance.now();
        const failure = await rejection(ask(store));
        expect([failure.code, failure.operation]).to.deep.equal(['ERR_UNSUPPORTED', 'getOrSet']);
        if (keys instanceof RegExp) expect(failure.message).to.match(keys);
        else expect(failure.message).to.include(keys);
        expect(performance.now() - begun).to.be.below(2000);
        expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_UNSUPPORTED']);
        // What failed is free again.
        expect(await store.getOrSet('a', () => 'made')).to.equal('made');
      });
    }

    it(`is not mistaken for one that merely shares keys with others${suffix}`, async () => {
      const store = await open();
      const leaf = () => store.getOrSet('c', () => sleep(30, 'c'));
      const values = await Promise.all([
        store.getOrSet('a', () => Promise.all([leaf(), leaf()])),
        store.getOrSet('b', async () => `${await leaf()}+${await store.getOrSet('a', () => 'never called')}`),
        leaf(),
      ]);
      expect(values).to.deep.equal([['c', 'c'], 'c+c,c', 'c']);
      expect(store.errors).to.deep.equal([]);
    });

    it(`waits for nothing once it is over, whatever it has begun${suffix}`, async () => {
      const store = await open();
      let inner: Promise<unknown> | undefined;
      await store.getOrSet('a', () => {
        inner = store.getOrSet('b', async () => {
          await sleep(50);
          return `b of ${await store.getOrSet('a', () => 'never called')}`;
        });
        return 'a';
      });
      expect(await inner).to.equal('b of a');
      expect(store.errors).to.deep.equal([]);
    });

    it(`may load its own key again once it has deleted it${suffix}`, async () => {
      const store = await open();
      const value = await store.getOrSet('a', async () => {
        await store.del('a');
        return store.getOrSet('a', () => 'inner');
      });
      expect(value).to.equal('inner');
      expect(await store.get('a')).to.equal('inner');
    });
  }

  it('is served what is stale while it renews it', async () => {
    const store = openStore();
    const stale = { ttl: 20, staleFor: 60_000 };
    await store.getOrSet('a', () => 'old', stale);
    await sleep(40);
    let inner: unknown;
    await store.getOrSet(
      'a',
      async () => {
        inner = await store.getOrSet('a', () => 'inner', stale);
        return 'new';
      },
      stale,
    );
    await until(() => inner !== undefined);
    expect(inner).to.equal('old');
    expect(store.errors).to.deep.equal([]);
  });

  it('leaves nothing behind: while no function runs, nothing follows the calls of the process', async () => {
    const store = openStore();
    let detached!: Promise<unknown>;
    let go!: () => void;
    const ended = new Promise<void>((resolve) => {
      go = resolve;
    });
    await store.getOrSet('a', () => {
      expect(enclosingFunction()).not.to.equal(undefined);
      // Goes on when the load is over.
      detached = ended.then(() => [enclosingFunction(), store.getOrSet('a', () => 'never called')]);
      return 'made';
    });
    expect(enclosingFunction()).to.equal(undefined);
    go();
    const [enclosing, value] = (await detached) as [unknown, Promise<unknown>];
    expect([enclosing, await value]).to.deep.equal([undefined, 'made']);
  });

  it('is bounded where the cycle runs through another process: a function waits for one lease at most', async () => {
    const one = openStore();
    const other = openStore({ prefix: one.source.prefix });
    const plan = { lease: 300 };
    const needs = (store: Bounded, key: string, own: string) => async () => {
      await sleep(50);
      return `${own}${await store.getOrSet(key, () => 'without', plan)}`;
    };
    const begun = performance.now();
    const values = await Promise.all([one.getOrSet('a', needs(one, 'b', 'a'), plan), other.getOrSet('b', needs(other, 'a', 'b'), plan)]);
    expect(performance.now() - begun).to.be.below(2000);
    for (const value of values) expect(value).to.include('without');
  });
});
