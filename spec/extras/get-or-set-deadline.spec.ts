import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { GetOrSetOptions, RedisStore, StoreOptions } from '../../src/index.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const timeout = 500;
/** What scheduling and timers may take beside it. */
const slack = 150;

describe('getOrSet over a slow network', () => {
  let proxy: FaultProxy;

  beforeEach(async () => {
    proxy = await FaultProxy.start(sharedServer().port, new Random(1));
  });
  afterEach(() => proxy.stop());

  const open = (more: StoreOptions = {}) => openStore({ location: proxy.location, timeout, ...more });

  /** How long the call took, beyond what the function did. */
  async function taken(call: (make: () => Promise<string>) => Promise<unknown>): Promise<number> {
    let making = 0;
    const begun = performance.now();
    await call(async () => {
      const start = performance.now();
      await sleep(100);
      making = performance.now() - start;
      return 'made';
    });
    return performance.now() - begun - making;
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
        const store = open();
        await store.ready();
        proxy.become({ kind: 'late', by: by / 2, jitter: 0 });
        expect(await taken((make) => store.getOrSet('k', make, options))).to.be.below(timeout + slack);
        proxy.become({ kind: 'open' });
      });
    }
  }

  it('stores in the background what could not be confirmed in time', async () => {
    const store = open();
    await store.ready();
    proxy.become({ kind: 'late', by: 170, jitter: 0 });
    expect(await taken((make) => store.getOrSet('k', make, { lease: false }))).to.be.below(timeout + slack);
    expect(store.errors).to.deep.equal([]);
    await store.disconnect();
    expect(await openStore({ prefix: store.source.prefix }).get('k')).to.equal('made');
  });

  it('tells by an `error` event that what it stores in the background failed', async () => {
    const store = open();
    await store.ready();
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
      const store = open();
      const other = openStore({ prefix: store.source.prefix });
      await store.ready();
      const made = other.getOrSet('k', () => sleep(2_000, 'other'));
      await until(() => other.stats().loads > 0);
      const begun = performance.now();
      // A look is under way, or about to be.
      setTimeout(() => proxy.become({ kind: 'frozen' }), when);
      expect(await store.getOrSet('k', () => 'own')).to.equal('own');
      expect(performance.now() - begun).to.be.below(longest + slack);
      proxy.become({ kind: 'open' });
      expect(await made).to.equal('other');
    });
  }

  for (const [title, more] of [
    ['polling', {}],
    ['told by the server', { near: {} }],
  ] as const) {
    /** What a caller is given while another process makes the value for two seconds, and whether he waited for it. */
    const waited = async (before: (store: RedisStore) => Promise<unknown>, meanwhile?: (store: RedisStore) => unknown) => {
      const store = open(more);
      const other = openStore({ prefix: store.source.prefix });
      await store.ready();
      await before(store);
      await until(async () => (await store.put('warm', 1)) && (await store.get('warm')) === 1);
      const made = other.getOrSet('k', () => sleep(2_000, 'other'));
      await until(() => other.stats().loads > 0);
      const begun = performance.now();
      const given = store.getOrSet('k', () => 'own');
      await meanwhile?.(store);
      const value = await given;
      const took = performance.now() - begun;
      expect(await made).to.equal('other');
      return { value, took };
    };
    /** Nothing that is asked is answered, for longer than it is waited for. */
    const fail = async (store: RedisStore): Promise<void> => {
      proxy.become({ kind: 'frozen' });
      await store.get('unanswered');
      proxy.become({ kind: 'open' });
    };

    it(`waits for what another process is making as long as that takes where Redis is well, ${title}`, async () => {
      expect((await waited(async () => {})).value).to.equal('other');
    });

    it(`waits for it within its timeout where Redis failed this process just before, ${title}`, async () => {
      const { value, took } = await waited(fail);
      expect(value).to.equal('own');
      expect(took).to.be.below(timeout + slack);
    });

    it(`waits for it no longer once Redis fails this process, ${title}`, async () => {
      const { value, took } = await waited(
        async () => {},
        (store) => sleep(700).then(() => fail(store)),
      );
      expect(value).to.equal('own');
      expect(took).to.be.below(700 + timeout + timeout + slack);
    });
  }

  it('goes on waiting where Redis, or this process, stops for a moment', async () => {
    const { prefix } = openStore().source;
    const other = openStore({ prefix });
    const stores = Array.from({ length: 12 }, (_, i) => openStore({ prefix, ...(i % 2 ? { near: {} } : {}) }));
    const redis = await rawClient(sharedServer());
    await Promise.all(stores.map((store) => store.get('warm')));
    const made = other.getOrSet('k', () => sleep(5_000, 'other'));
    await until(() => other.stats().loads > 0);
    const given = stores.map((store) => store.getOrSet('k', () => 'own'));
    // Before the timeout, and twice after it; Redis takes up to twice as long to go on.
    for (const when of [500, 900, 900]) {
      await sleep(when);
      await redis.sendCommand(['CLIENT', 'PAUSE', '100', 'ALL']);
    }
    await sleep(900);
    for (const end = performance.now() + 600; performance.now() < end; );
    expect(new Set(await Promise.all([...given, made]))).to.deep.equal(new Set(['other']));
    redis.destroy();
  });

  for (const [title, more] of [
    ['polls', {}],
    ['is told by the server', { near: {} }],
  ] as const) {
    it(`sees a network that freezes while it waits, and nothing else is asked: it ${title}`, async () => {
      const store = open({ timeout: 1000, ...more });
      const other = openStore({ prefix: store.source.prefix });
      await store.get('warm');
      const made = other.getOrSet('k', () => sleep(2_000, 'other'));
      await until(() => other.stats().loads > 0);
      const begun = performance.now();
      const given = store.getOrSet('k', () => 'own');
      await until(() => store.stats().leaseWaits > 0);
      setTimeout(() => proxy.become({ kind: 'frozen' }), 20);
      expect(await given).to.equal('own');
      expect(performance.now() - begun).to.be.below(1000 * 1.25 + slack);
      proxy.become({ kind: 'open' });
      expect(await made).to.equal('other');
    });
  }

  it('has one deadline also where looks at what another process is making are answered slowly', async () => {
    const store = open();
    const other = openStore({ prefix: store.source.prefix });
    await store.ready();
    // Nothing comes of it, so that the lease has to be claimed after the look.
    const made = other.getOrSet('k', async ({ skip }) => {
      await sleep(60);
      skip();
      return 'other';
    });
    while (other.stats().loads === 0) await sleep(1);
    const begun = performance.now();
    const own = store.getOrSet('k', () => 'own');
    while (store.stats().leaseWaits === 0) await sleep(1);
    proxy.become({ kind: 'late', by: 200, jitter: 0 });
    expect(await own).to.equal('own');
    expect(performance.now() - begun).to.be.below(timeout + slack);
    proxy.become({ kind: 'open' });
    expect(await made).to.equal('other');
  });

  it('gives back a lease whose answer came too late, so that nobody waits for it', async () => {
    const store = open();
    const other = openStore({ prefix: store.source.prefix });
    await store.ready();
    proxy.become({ kind: 'late', by: 170, jitter: 0 });
    expect(await taken((make) => store.getOrSet('k', make))).to.be.below(timeout + slack);
    proxy.become({ kind: 'open' });
    const begun = performance.now();
    expect(await other.getOrSet('k', () => 'other')).to.equal('other');
    expect(performance.now() - begun).to.be.below(5_000);
  });
});
