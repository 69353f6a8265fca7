import { mock } from 'node:test';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../src/index.js';
import { sharedServer } from './support/hooks.js';
import { openStore } from './support/open.js';
import { RedisServer } from './support/redis.js';
import { SimpleParser } from './support/simple-parser.js';

const real = { now: performance.now, nextTick: process.nextTick, setTimeout };

/** Time stands still until the spec moves it: what `node:test` fakes, and what other libraries fake beside that. */
function fake(more: 'setImmediate'[] = []): void {
  mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval', ...more], now: 0 });
  const at = performance.now();
  performance.now = () => at;
  process.nextTick = () => {};
}

function restore(): void {
  mock.timers.reset();
  performance.now = real.now;
  process.nextTick = real.nextTick;
}

/** The answer, or `'hangs'` after five seconds of real time. */
function settled(call: Promise<unknown>): Promise<unknown> {
  return Promise.race([call, new Promise((resolve) => real.setTimeout(resolve, 5000, 'hangs'))]);
}

describe('under fake timers', () => {
  afterEach(restore);

  it('entries of memory: expire when the clock of the test says so', async () => {
    const early = openStore({ location: 'memory:' });
    await early.set('k', 1, 1000);
    mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.now() });
    const store = openStore({ location: 'memory:' });
    await store.set('k', 1, 1000);
    await store.set('tagged', 1, { tags: ['t'], ttl: 1000 });
    mock.timers.tick(990);
    expect([await store.get('k'), await store.ttl('k')]).to.deep.equal([1, 10]);
    mock.timers.tick(11);
    expect(await store.mget('k', 'tagged')).to.deep.equal([undefined, undefined]);
    expect(await early.get('k')).to.equal(undefined);
  });

  it('entries of memory: expire where the clock begins at 0', async () => {
    fake(['setImmediate']);
    const store = openStore({ location: 'memory:' });
    await store.set('k', 1, 1000);
    expect(await store.get('k')).to.equal(1);
    mock.timers.tick(1001);
    expect(await store.get('k')).to.equal(undefined);
  });

  const every = (store: RedisStore): (() => Promise<unknown>)[] => [
    () => store.set('k', 1, { ttl: 60_000, tags: ['t'] }),
    () => store.get('k'),
    () => Promise.all([store.get('k'), store.get('l'), store.has('k')]),
    () => store.mget('k', 'l'),
    () => store.getOrSet('m', () => 1, { tags: ['t'] }),
    () => store.getOrSet('n', async () => 1, { ttl: 1000, staleFor: 1000 }),
    () => store.touch('k', 1000),
    () => store.add('k', 1),
    () => store.incr('count', 1, { initial: 0 }),
    () => store.invalidateTags(['t']),
    () => store.withLock('lock', () => 1),
    async () => {
      const lock = await store.lock('held');
      await store.lock('held', { wait: 100 }).catch(() => {});
      await lock.release();
    },
    () => store.getOrSet('slow', () => new Promise((resolve) => real.setTimeout(resolve, 500, 1)), { hardTimeout: 100 }).catch(() => {}),
    () => store.keys(),
    () => store.del('k'),
    () => store.reset(),
  ];
  const kinds: Record<string, () => StoreOptions> = {
    'memory:': () => ({ location: 'memory:' }),
    'node-redis': () => ({}),
    'a near cache': () => ({ near: {} }),
    'a parser': () => ({ parser: SimpleParser }),
  };
  for (const [kind, options] of Object.entries(kinds)) {
    it(`no call hangs: ${kind}`, async () => {
      const store = openStore(options());
      if (kind !== 'memory:') await store.ready();
      fake();
      for (const call of every(store)) expect(await settled(call()), String(call)).not.to.equal('hangs');
      expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_LOCK_HELD', 'ERR_FACTORY_TIMEOUT']);
      expect(await settled(store.disconnect())).to.equal(undefined);
    });
  }

  it('a call to a server that does not answer ends by its deadline', async () => {
    const server = await RedisServer.start();
    try {
      const store = openStore({ location: server.location, timeout: 200 });
      await store.set('k', 1);
      fake();
      server.freeze();
      expect(await settled(store.get('k'))).to.equal(undefined);
      expect(store.errors[0]).to.include({ code: 'ERR_TIMEOUT' });
      expect(await settled(store.disconnect())).to.equal(undefined);
    } finally {
      restore();
      server.thaw();
      await server.stop();
    }
  });

  it('a store that is made under them works', async () => {
    fake();
    // Node itself connects by it.
    process.nextTick = real.nextTick;
    const store = openStore({ location: sharedServer().location });
    await settled(store.set('k', 1));
    expect(await settled(store.get('k'))).to.equal(1);
  });
});
