import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { cacheOf, flightsOf } from '../support/internals.js';
import { timed } from '../support/load.js';
import { openStore, rejection } from '../support/open.js';
import { onEachPlace } from '../support/places.js';
import { random } from '../support/random.js';
import { until } from '../support/until.js';

type Opened = ReturnType<typeof openStore>;

const seed = Number(process.env['WAKING_SEED'] ?? Date.now() % 1_000_000);

/** So long that a caller woken by its end is not mistaken for one that was notified. */
const lease = 10_000;

describe('a getOrSet that waits for another process, with a near cache', () => {
  onEachPlace((place, several) => {
    async function tracking(more: StoreOptions = {}): Promise<Opened> {
      const store = openStore({ ...place().options, near: {}, ...more });
      await until(async () => (await store.get('nothing')) ?? store.stats().near.misses > 0);
      return store;
    }
    const plain = (prefix: string): Opened => openStore({ ...place().options, prefix });

    /** Another process that makes the value, until it is told how that ends. */
    async function making(prefix: string, key: string, stale?: { ttl: number; staleFor: number }) {
      const store = plain(prefix);
      let end!: (value: string) => void;
      let fail!: (error: Error) => void;
      let began!: () => void;
      const begun = new Promise<void>((resolve) => {
        began = resolve;
      });
      const made = store.getOrSet(
        key,
        () => {
          began();
          return new Promise<string>((yes, no) => {
            [end, fail] = [yes, no];
          });
        },
        { lease, ...stale },
      );
      await begun;
      made.catch(() => {});
      return { store, made, end, fail };
    }

    /** A call that waits, and when it had its answer. */
    async function waiting(store: Opened, key: string, make = () => 'own') {
      const before = store.stats().leaseWaits;
      const answer = store.getOrSet(key, make, { lease }).then((value) => ({ value, at: performance.now() }));
      await until(() => store.stats().leaseWaits > before);
      // It has read and listens.
      await sleep(200);
      // In an object, for else it would be awaited with this.
      return { answer };
    }

    const settings: Record<string, StoreOptions> = {
      'over one connection': {},
      ...(several ? {} : { 'beside a pool': { pool: { class: RoundRobinPool, size: 2 } } }),
    };
    for (const [title, more] of Object.entries(settings)) {
      it(`is told when the value is stored, and when the holder gives up, ${title}`, async () => {
        const store = await tracking(more);
        const prefix = store.source.prefix;
        const first = await making(prefix, 'stored');
        const { answer } = await waiting(store, 'stored');
        const ended = performance.now();
        first.end('made');
        expect((await answer).value).to.equal('made');
        expect((await answer).at - ended).to.be.below(2000);
        expect(await store.get('stored')).to.equal('made');
        // What it knows is kept true afterwards as well.
        await first.store.set('stored', 'newer');
        await until(async () => (await store.get('stored')) === 'newer');

        const second = await making(prefix, 'failing');
        const other = await waiting(store, 'failing');
        const failed = performance.now();
        second.fail(new Error('no database'));
        await rejection(second.made);
        expect((await other.answer).value).to.equal('own');
        expect((await other.answer).at - failed).to.be.below(2000);
        expect(await store.get('failing')).to.equal('own');
        expect(store.errors).to.deep.equal([]);
      });
    }

    it('goes on by itself where the connection that tracks is lost meanwhile', async () => {
      const store = await tracking();
      const { end } = await making(store.source.prefix, 'k');
      const { answer } = await waiting(store, 'k');
      for (const { redis } of place().primaries) {
        const list = String(await redis.sendCommand(['CLIENT', 'LIST']));
        for (const [, id] of list.matchAll(/^id=(\d+) .* flags=\S*t\S* /gm))
          await redis.sendCommand(['CLIENT', 'KILL', 'ID', id as string]);
      }
      const ended = performance.now();
      end('made');
      expect((await answer).value).to.be.oneOf(['made', 'own']);
      expect((await answer).at - ended).to.be.below(2500);
    });

    it('has the new value in its time where an old one could be served, and the old one where that takes longer', async () => {
      const store = await tracking();
      const stale = { ttl: 50, staleFor: 60_000 };
      await store.getOrSet('k', () => 'old', stale);
      await sleep(60);
      const { end } = await making(store.source.prefix, 'k', stale);
      expect(await store.getOrSet('k', () => 'own', { ...stale, lease, softTimeout: 200 })).to.equal('old');
      // The wait of the first is not what the second joins.
      const redisKey = cacheOf(store).context.keys.toRedisKey('k');
      await until(() => [...flightsOf(store).underWay(redisKey)].length === 0);
      const answer = store.getOrSet('k', () => 'own', { ...stale, lease, softTimeout: 10_000 });
      await sleep(200);
      end('new');
      expect(await answer).to.equal('new');
    });

    it('does not ask again and again where the server forgets what it tracks', async () => {
      const store = await tracking();
      const { end } = await making(store.source.prefix, 'k');
      const { answer } = await waiting(store, 'k');
      try {
        for (const { redis } of place().primaries) {
          await redis.configSet('tracking-table-max-keys', '1');
          await redis.configResetStat();
        }
        // It forgets when it is asked something.
        const over = performance.now() + 1000;
        while (performance.now() < over) for (const { redis } of place().primaries) await redis.ping();
        let reads = 0;
        for (const { redis } of place().primaries)
          reads += Number(/cmdstat_mget:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
        expect(reads).to.be.below(40);
      } finally {
        for (const { redis } of place().primaries) await redis.configSet('tracking-table-max-keys', '1000000');
      }
      end('made');
      expect((await answer).value).to.equal('made');
    });

    it(`leaves no caller waiting for the time of a lease, while values are made, deleted and given up, and connections are cut (seed ${seed})`, async () => {
      const next = random(seed);
      const stores = [await tracking()];
      while (stores.length < 5) stores.push(await tracking({ prefix: stores[0]?.source.prefix as string }));
      let worst = 0;
      let waits = 0;
      const end = performance.now() + 4000;
      const load = async (store: Opened): Promise<void> => {
        while (performance.now() < end) {
          const key = `k${Math.floor(next() * 4)}`;
          const [takes, dice] = [next() * 60, next()];
          const { took } = await timed(() =>
            store
              .getOrSet(key, () => (dice < 0.2 ? sleep(takes).then(() => Promise.reject(new Error('gave up'))) : sleep(takes, 1)), {
                lease,
              })
              .catch(() => {}),
          );
          worst = Math.max(worst, took);
          if (next() < 0.5) await store.del(key).catch(() => {});
        }
      };
      const cut = async (): Promise<void> => {
        while (performance.now() < end) {
          await sleep(200 + next() * 300);
          for (const { redis } of place().primaries) {
            const ids = [...String(await redis.sendCommand(['CLIENT', 'LIST'])).matchAll(/^id=(\d+) .* flags=\S*t\S* /gm)].map(
              ([, id]) => id as string,
            );
            const id = ids[Math.floor(next() * ids.length)];
            if (id !== undefined) await redis.sendCommand(['CLIENT', 'KILL', 'ID', id]);
          }
        }
      };
      await Promise.all([cut(), ...stores.flatMap((store) => [load(store), load(store)])]);
      for (const store of stores) waits += store.stats().leaseWaits;
      expect(waits).to.be.above(20);
      expect(worst, `of ${waits} waits`).to.be.below(2500);
    });
  });
});
