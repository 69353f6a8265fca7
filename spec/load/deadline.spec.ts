import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { GetOrSetOptions, RedisStore, StoreOptions } from '../../src/index.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { timed } from '../support/load.js';
import { openStore, stopping, untilReady } from '../support/open.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const timeout = 500;
/** What scheduling and timers may take beside it. */
const slack = 150;

describe('getOrSet over a slow network', () => {
  const it = sideBySide(9);

  /** A network of its own for each spec, and a store on the other side of it. */
  async function open(more: StoreOptions = {}) {
    const proxy = stopping(await FaultProxy.start(sharedServer().port, new Random(1)));
    return { proxy, store: openStore({ location: proxy.location, timeout, ...more }) };
  }

  /** How long the call took, beyond what the function did. */
  async function taken(call: (make: () => Promise<string>) => Promise<unknown>): Promise<number> {
    let making = 0;
    const { value, took } = await timed(() =>
      call(async () => {
        making = (await timed(() => sleep(100))).took;
        return 'made';
      }),
    );
    expect(value).to.equal('made');
    return took - making;
  }

  const ways: Readonly<Record<string, GetOrSetOptions>> = {
    'with a lease': {},
    'without a lease': { lease: false },
    'with tags': { tags: ['a', 'b'] },
    'with a stale window': { ttl: 60_000, staleFor: 60_000 },
  };
  for (const [title, options] of Object.entries(ways)) {
    // Each of its commands is in time; all together are not.
    for (const by of [200, 300, 400]) {
      it(`answers within its timeout beyond the time of the function where each command takes ${by} ms: ${title}`, async () => {
        const { proxy, store } = await open();
        await untilReady(store);
        proxy.become({ kind: 'late', by: by / 2, jitter: 0 });
        expect(await taken((make) => store.getOrSet('k', make, options))).to.be.below(timeout + slack);
        proxy.become({ kind: 'open' });
      });
    }
  }

  it('stores in the background what could not be confirmed in time', async () => {
    const { proxy, store } = await open();
    await untilReady(store);
    proxy.become({ kind: 'late', by: 170, jitter: 0 });
    expect(await taken((make) => store.getOrSet('k', make, { lease: false }))).to.be.below(timeout + slack);
    expect(store.errors).to.deep.equal([]);
    await store.disconnect();
    expect(await openStore({ prefix: store.source.prefix }).get('k')).to.equal('made');
  });

  it('tells by an `error` event that what it stores in the background failed', async () => {
    const { proxy, store } = await open();
    await untilReady(store);
    proxy.become({ kind: 'late', by: 170, jitter: 0 });
    await taken((make) =>
      store.getOrSet(
        'k',
        () => {
          setTimeout(() => proxy.become({ kind: 'swallow', way: 'requests' }), 50);
          return make();
        },
        { lease: false },
      ),
    );
    expect(store.errors).to.deep.equal([]);
    await until(() => store.errors.length > 0, 2000);
    expect(store.errors.map(({ code, operation, key }) => [code, operation, key])).to.deep.equal([['ERR_TIMEOUT', 'getOrSet', 'k']]);
  });

  // A while after the timeout the other must have been working, and Redis may fall silent all the same.
  for (const [when, longest] of [
    [200, timeout + timeout / 4],
    [600, 600 + (timeout / 2) * 1.25 + timeout / 4],
  ] as const) {
    it(`waits no longer for a look at what another process is making that is not answered, ${when} ms after it asked`, async () => {
      const { proxy, store } = await open();
      const other = openStore({ prefix: store.source.prefix });
      await untilReady(store);
      const made = other.getOrSet('k', () => sleep(2_000, 'other'));
      await until(() => other.stats().loads > 0);
      // A look is under way, or about to be.
      setTimeout(() => proxy.become({ kind: 'frozen' }), when);
      const { value, took } = await timed(() => store.getOrSet('k', () => 'own'));
      expect(value).to.equal('own');
      expect(took).to.be.below(longest + slack);
      proxy.become({ kind: 'open' });
      expect(await made).to.equal('other');
    });
  }

  type Act = (store: RedisStore, proxy: FaultProxy) => Promise<void>;
  for (const [title, more] of [
    ['polling', {}],
    ['told by the server', { near: {} }],
  ] as const) {
    /** What a caller is given while another process makes the value for two seconds, and whether he waited for it. */
    const waited = async (before: Act = async () => {}, meanwhile: Act = async () => {}) => {
      const { proxy, store } = await open(more);
      const other = openStore({ prefix: store.source.prefix });
      await untilReady(store);
      await before(store, proxy);
      await until(async () => (await cacheOf(store).writer.set('warm', 1)) && (await store.get('warm')) === 1);
      const made = other.getOrSet('k', () => sleep(2_000, 'other'));
      await until(() => other.stats().loads > 0);
      const [result] = await Promise.all([timed(() => store.getOrSet('k', () => 'own')), meanwhile(store, proxy)]);
      expect(await made).to.equal('other');
      return result;
    };
    /** Nothing that is asked is answered, for longer than it is waited for. */
    const fail: Act = async (store, proxy) => {
      proxy.become({ kind: 'frozen' });
      await store.get('unanswered');
      proxy.become({ kind: 'open' });
    };

    it(`waits for what another process is making as long as that takes where Redis is well, ${title}`, async () => {
      expect((await waited()).value).to.equal('other');
    });

    it(`waits for it within its timeout where Redis failed this process just before, ${title}`, async () => {
      const { value, took } = await waited(fail);
      expect(value).to.equal('own');
      expect(took).to.be.below(timeout + slack);
    });

    it(`waits for it no longer once Redis fails this process, ${title}`, async () => {
      const { value, took } = await waited(undefined, async (store, proxy) => {
        await sleep(700);
        await fail(store, proxy);
      });
      expect(value).to.equal('own');
      expect(took).to.be.below(700 + timeout + timeout + slack);
    });
  }

  for (const [title, more] of [
    ['polls', {}],
    ['is told by the server', { near: {} }],
  ] as const) {
    it(`sees a network that freezes while it waits, and nothing else is asked: it ${title}`, async () => {
      const { proxy, store } = await open({ timeout: 1000, ...more });
      const other = openStore({ prefix: store.source.prefix });
      await store.get('warm');
      const made = other.getOrSet('k', () => sleep(2_000, 'other'));
      await until(() => other.stats().loads > 0);
      const given = timed(() => store.getOrSet('k', () => 'own'));
      await until(() => store.stats().leaseWaits > 0);
      setTimeout(() => proxy.become({ kind: 'frozen' }), 20);
      const { value, took } = await given;
      expect(value).to.equal('own');
      expect(took).to.be.below(1000 * 1.25 + slack);
      proxy.become({ kind: 'open' });
      expect(await made).to.equal('other');
    });
  }

  it('has one deadline also where looks at what another process is making are answered slowly', async () => {
    const { proxy, store } = await open();
    const other = openStore({ prefix: store.source.prefix });
    await untilReady(store);
    // Nothing comes of it, so that the lease has to be claimed after the look.
    const made = other.getOrSet('k', async ({ skip }) => {
      await sleep(60);
      skip();
      return 'other';
    });
    while (other.stats().loads === 0) await sleep(1);
    const own = timed(() => store.getOrSet('k', () => 'own'));
    while (store.stats().leaseWaits === 0) await sleep(1);
    proxy.become({ kind: 'late', by: 200, jitter: 0 });
    const { value, took } = await own;
    expect(value).to.equal('own');
    expect(took).to.be.below(timeout + slack);
    proxy.become({ kind: 'open' });
    expect(await made).to.equal('other');
  });

  it('releases a lease whose answer came too late, so that no caller waits for it', async () => {
    const { proxy, store } = await open();
    const other = openStore({ prefix: store.source.prefix });
    await untilReady(store);
    proxy.become({ kind: 'late', by: 170, jitter: 0 });
    expect(await taken((make) => store.getOrSet('k', make))).to.be.below(timeout + slack);
    proxy.become({ kind: 'open' });
    const { value, took } = await timed(() => other.getOrSet('k', () => 'other'));
    expect(value).to.equal('other');
    expect(took).to.be.below(1_000);
  });
});

// By itself: it stops what the specs above work with.
describe('getOrSet where nothing is slow for long', () => {
  it('goes on waiting where Redis, or this process, stops for a moment', async () => {
    const { prefix } = openStore().source;
    const timeout = 2000;
    const other = openStore({ prefix });
    const stores = Array.from({ length: 12 }, (_, i) => openStore({ prefix, timeout, ...(i % 2 ? { near: {} } : {}) }));
    const redis = await rawClient(sharedServer());
    await Promise.all(stores.map((store) => store.get('warm')));
    const made = other.getOrSet('k', () => sleep(5_000, 'other'));
    await until(() => other.stats().loads > 0);
    const given = stores.map((store) => store.getOrSet('k', () => 'own'));
    // Before the timeout, and twice after it; Redis takes up to twice as long to go on.
    for (const when of [1000, 1500, 500]) {
      await sleep(when);
      await redis.sendCommand(['CLIENT', 'PAUSE', '100', 'ALL']);
    }
    await sleep(500);
    for (const end = performance.now() + 600; performance.now() < end; );
    expect(new Set(await Promise.all([...given, made]))).to.deep.equal(new Set(['other']));
    redis.destroy();
  });
});
