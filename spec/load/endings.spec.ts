import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { FactoryContext, StoreOptions } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { sideBySide } from '../support/side-by-side.js';
import { unhandled } from '../support/unhandled.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

type Store = ReturnType<typeof openStore>;

const notNull = { isCacheable: (value: unknown) => value !== null && value !== 'refused' };

/** How a function can end without a value to store. */
const nothing: Readonly<Record<string, () => unknown>> = {
  'gives undefined': () => undefined,
  'gives null, which isCacheable refuses': () => null,
};
const unshared: Readonly<Record<string, (context: FactoryContext) => unknown>> = {
  fails: () => Promise.reject(new Error('source down')),
  'says skip()': ({ skip }) => {
    skip();
    return 'skipped';
  },
  'says skip() of a value that cannot be encoded': ({ skip }) => {
    skip();
    return { big: 1n };
  },
  'gives a value that isCacheable refuses': () => 'refused',
  'gives a value that cannot be encoded': () => 1n,
};

describe('a load that ends without a value to store', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  it('leaves no rejection unhandled if the value is refused, has no bytes either, and replaces an old entry', async () => {
    const store = openStore({
      isCacheable: (value) => !(value instanceof Map),
      serializer: {
        stringify: async (value) => {
          if (value instanceof Map) throw new Error('no maps');
          return JSON.stringify(value);
        },
        parse: JSON.parse,
      },
    });
    const refused = new Map();
    const ask = async () => {
      await store.getOrSet('k', () => 'old', { ttl: 30, staleFor: 10_000 });
      await sleep(60);
      expect(await store.getOrSet('k', () => refused, { ttl: 30, staleFor: 10_000, softTimeout: 5000 })).to.equal(refused);
    };
    expect(await unhandled(ask)).to.deep.equal([]);
    expect(await store.get('k')).to.equal(undefined);
  });

  describe('ends the wait of other processes', () => {
    const it = sideBySide(9);
    const settings: Readonly<Record<string, StoreOptions>> = { '': {}, ', with a near cache': { near: {} } };
    for (const [suffix, options] of Object.entries(settings)) {
      /** Eight processes ask at the same time; `ends`: when a call ends. How many called the function, what each was given, how many ran at most at a time. */
      async function ask(make: (context: FactoryContext) => unknown, ends: (running: number, call: number) => Promise<unknown>) {
        const first = openStore({ ...notNull, ...options });
        const stores: Store[] = [first];
        while (stores.length < 8) stores.push(openStore({ ...notNull, ...options, prefix: first.source.prefix }));
        await Promise.all(stores.map((store) => store.ready()));
        if (options.near) await until(async () => (await Promise.all(stores.map((each) => each.get('x')))) && stores.every(isTracking));
        let calls = 0;
        let running = 0;
        let most = 0;
        const answers = await Promise.all(
          stores.map((store) =>
            store
              .getOrSet('k', async (context) => {
                calls++;
                most = Math.max(most, ++running);
                await ends(running, calls);
                running--;
                return make(context);
              })
              .catch((error: Error) => error.message),
          ),
        );
        return { calls, most, answers, stores };
      }
      const isTracking = (store: Store): boolean => store.stats().near.misses > 0;

      for (const takes of [10, 300]) {
        for (const [title, make] of Object.entries(nothing)) {
          it(`which answer the same without calling the function, where it ${title} after ${takes} ms${suffix}`, async () => {
            const { calls, answers, stores } = await ask(make, () => sleep(takes));
            expect([calls, answers]).to.deep.equal([1, Array(8).fill(make())]);
            expect(stores.flatMap(({ errors }) => errors)).to.deep.equal([]);
          });
        }
      }

      for (const [title, make] of Object.entries(unshared)) {
        it(`which all try at the same time, where it ${title}${suffix}`, async () => {
          // One after the other, it would be one at a time.
          const together = new AbortController();
          const { calls, most } = await ask(make, async (running, call) => {
            if (running === 6) together.abort();
            // The others wait for the first.
            await sleep(call === 1 ? 300 : 5000, undefined, { signal: together.signal, ref: false }).catch(() => {});
          });
          expect(calls).to.equal(8);
          expect(most).to.be.at.least(6);
        });
      }
    }

    it('also where another caller has taken the lease over before they look', async () => {
      const [one, other] = two();
      for (let attempt = 0; ; attempt++) {
        const key = `k${attempt}`;
        const [loads, waits] = [one.stats().loads, other.stats().leaseWaits];
        let fail!: (error: Error) => void;
        const first = one.getOrSet(key, () => new Promise((_, reject) => (fail = reject))).catch(() => {});
        await until(() => one.stats().loads === loads + 1);
        const waiting = other.getOrSet(key, () => 'own');
        await until(() => other.stats().leaseWaits === waits + 1);
        fail(new Error('source down'));
        await first;
        let end!: (value: string) => void;
        const second = one.getOrSet(key, () => new Promise<string>((resolve) => (end = resolve)));
        const isTakenOver = await Promise.race([until(() => one.stats().loads === loads + 2).then(() => true), second.then(() => false)]);
        expect(await waiting).to.equal('own');
        // On a busy machine it may look first. Then it makes the value, which the second caller finds.
        if (!isTakenOver) {
          expect(await second).to.equal('own');
          continue;
        }
        end('made');
        expect(await second).to.equal('made');
        expect(await other.get(key)).to.equal('made');
        return;
      }
    });

    it('but is not remembered: a later caller calls its function at once', async () => {
      const [one, other] = two();
      for (const make of [...Object.values(nothing), ...Object.values(unshared)]) {
        await one.getOrSet('k', make as () => unknown).catch(() => {});
        let calls = 0;
        const begun = performance.now();
        await other.getOrSet('k', () => {
          calls++;
          return undefined;
        });
        expect(calls).to.equal(1);
        expect(performance.now() - begun).to.be.below(2000);
        expect(other.stats().leaseWaits).to.equal(0);
      }
      expect(await one.getOrSet('k', () => 'made')).to.equal('made');
    });

    it('and a deletion takes away what it left', async () => {
      const [one, other] = two();
      await one.getOrSet('k', () => undefined);
      const lease = `${one.source.prefix}#l:{${one.source.prefix}:k}`;
      await until(async () => (await redis.exists(lease)) === 1);
      expect(await redis.pTTL(lease)).to.be.within(1, 3000);
      await other.del('k');
      expect(await redis.exists(lease)).to.equal(0);
    });
  });

  function two(options: StoreOptions = {}): [Store, Store] {
    const one = openStore({ ...notNull, ...options });
    return [one, openStore({ ...notNull, ...options, prefix: one.source.prefix })];
  }

  describe('ends the entry that it was to renew', () => {
    const stale = { ttl: 60_000, staleFor: 60_000 };
    const ending: Readonly<Record<string, () => unknown>> = {
      ...nothing,
      'gives a value that isCacheable refuses': () => 'refused',
      'gives a value that cannot be encoded': () => 1n,
    };
    const settings: Readonly<Record<string, { options?: StoreOptions; lease?: false }>> = {
      '': {},
      ', with a near cache': { options: { near: {} } },
      ', without a lease': { lease: false },
      ', of keys that have no leases': { options: { keyPrefix: 'literal:ended' } },
    };

    for (const [suffix, { options, lease }] of Object.entries(settings)) {
      const plan = { ...stale, ...(lease === false ? { lease } : {}) };
      /** A store whose entry is stale. */
      async function aged(): Promise<Store> {
        const store = openStore({ ...notNull, ...options });
        await store.del('k');
        await store.getOrSet('k', () => 'old', plan);
        await redis.pExpire(`${options?.keyPrefix ?? store.source.prefix}:k`, 30_000);
        // What the near tier knows of its time is told anew.
        await until(async () => (await store.get('k')) === undefined);
        return store;
      }

      for (const [title, make] of Object.entries(ending)) {
        it(`where the function ${title}, in the background${suffix}`, async () => {
          const store = await aged();
          expect(await store.getOrSet('k', make, plan)).to.equal('old');
          await until(async () => !(await store.has('k')));
          expect(await store.getOrSet('k', make, plan)).to.equal(make());
        });

        it(`where the function ${title}, for a caller that is served nothing stale${suffix}`, async () => {
          const store = await aged();
          expect(await store.getOrSet('k', make, { ...plan, staleFor: 0 })).to.equal(make());
          await until(async () => !(await store.has('k')));
        });
      }

      it(`but not where it says skip(), or fails${suffix}`, async () => {
        const store = await aged();
        for (const make of [unshared['says skip()'], unshared['says skip() of a value that cannot be encoded'], unshared['fails']] as ((
          context: FactoryContext,
        ) => unknown)[]) {
          const { loads } = store.stats();
          expect(await store.getOrSet('k', make, plan)).to.equal('old');
          await until(() => store.stats().loads > loads);
          await sleep(50);
          expect(await store.has('k')).to.equal(true);
        }
      });

      it(`but not a newer value${suffix}`, async () => {
        const store = await aged();
        let end!: () => void;
        const ended = new Promise<undefined>((resolve) => {
          end = () => resolve(undefined);
        });
        expect(await store.getOrSet('k', () => ended, plan)).to.equal('old');
        await until(() => store.stats().loads === 2);
        await store.set('k', 'newer');
        end();
        await sleep(50);
        expect(await store.get('k')).to.equal('newer');
      });
    }

    it('and callers with a softTimeout learn in their time that there is nothing any more', async () => {
      const [one, other] = two();
      const plan = { ...stale, softTimeout: 10_000 };
      await one.getOrSet('k', () => 'old', plan);
      await redis.pExpire(`${one.source.prefix}:k`, 30_000);
      let calls = 0;
      const gone = async () => {
        calls++;
        await sleep(100);
      };
      expect(await Promise.all([one, other].map((store) => store.getOrSet('k', gone, plan)))).to.deep.equal([undefined, undefined]);
      expect(calls).to.equal(1);
    });

    it('and counts and tells of its deletion', async () => {
      const store = openStore();
      await store.getOrSet('k', () => 'old', stale);
      await redis.pExpire(`${store.source.prefix}:k`, 30_000);
      const told: unknown[] = [];
      store.on('delete', ({ key }) => told.push(key));
      await store.getOrSet('k', () => undefined, stale);
      await until(() => told.length > 0);
      expect([told, store.stats().deletes]).to.deep.equal([['k'], 1]);
    });
  });

  it('behaves the same in memory:', async () => {
    const store = openStore({ location: 'memory:' });
    const views = [store, store.with({}), store.with({})] as const;
    let calls = 0;
    const gone = async () => {
      calls++;
      await sleep(100);
    };
    expect(await Promise.all(views.map((view) => view.getOrSet('k', gone)))).to.deep.equal([undefined, undefined, undefined]);
    expect(calls).to.equal(1);
    expect(await store.getOrSet('k', () => 'made', { ttl: 50, staleFor: 60_000 })).to.equal('made');
    await sleep(60);
    expect(await store.getOrSet('k', () => undefined, { ttl: 50, staleFor: 60_000 })).to.equal('made');
    await until(async () => !(await store.has('k')));
  });
});
