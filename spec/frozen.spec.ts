import { expect } from 'chai';
import { BlockingPool, RoundRobinPool, type StoreOptions } from '../src/index.js';
import { KeyvRedisStore } from '../src/keyv.js';
import { compiled } from './support/compiled.js';
import { cacheOf } from './support/internals.js';
import { timed } from './support/load.js';
import { closing, openStore, untilReady } from './support/open.js';
import { RedisServer } from './support/redis.js';
import { runScript } from './support/script.js';

const timeout = 300;
const slack = 250;

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

type Call<T> = (it: T) => Promise<unknown>;

const storeMethods: Record<string, Call<ReturnType<typeof openStore>>> = {
  get: (store) => store.get('k'),
  set: (store) => store.set('k', 1),
  del: (store) => store.del('k'),
  reset: (store) => store.reset(),
  mset: (store) => store.mset({ a: 1, b: 2 }, 5),
  mget: (store) => store.mget('a', 'b'),
  mdel: (store) => store.mdel('a', 'b'),
  keys: (store) => store.keys(),
  ttl: (store) => store.ttl('k'),
  has: (store) => store.has('k'),
  hasMany: (store) => cacheOf(store).reader.hasMany(['a', 'b']),
  touch: (store) => store.touch('k', 5),
  'touch for ever': (store) => store.touch('k', 0),
  persist: (store) => store.persist('k'),
  getAndTouch: (store) => store.getAndTouch('k', 1000),
  expire: (store) => store.expire('k'),
  expireTags: (store) => store.expireTags(['t']),
  keepTtl: (store) => store.set('k', 1, { keepTtl: true, tags: ['t'] }),
  add: (store) => store.add('k', 1),
  incr: (store) => store.incr('k', 1, { initial: 0 }),
  decr: (store) => store.decr('k'),
  getOrSet: (store) => store.getOrSet('k', () => 1),
  getOrSetDetailed: (store) => store.getOrSetDetailed('k', () => 1),
  getOrSetMany: (store) => store.getOrSetMany(['k'], () => [1]),
  memoize: (store) => store.memoize(() => 1, { key: () => 'k' })(),
  typed: (store) => store.typed({ schema: { '~standard': { version: 1, vendor: 'spec', validate: (value) => ({ value }) } } }).get('k'),
  lock: (store) => store.lock('k'),
  withLock: (store) => store.withLock('k', () => 1),
  getAndDelete: (store) => store.getAndDelete('k'),
  getMany: (store) => cacheOf(store).reader.getMany(['a']),
  put: (store) => cacheOf(store).writer.set('k', 1),
  putMany: (store) => cacheOf(store).writer.setMany([['k', 1]]),
  discard: (store) => cacheOf(store).writer.unlink(['k', 'l']),
  remove: (store) => cacheOf(store).writer.unlinkCounted(['k']),
  removeEach: (store) => cacheOf(store).writer.unlinkEach(['k']),
  delPattern: (store) => store.delPattern('*'),
  clear: (store) => store.clear({ allVersions: true }),
  clearPattern: (store) => cacheOf(store).scans.clearPattern('*'),
  incrVersion: (store) => store.incrVersion('k'),
  iterate: (store) => drain(store.iterate()),
  reencode: (store) => drain(store.reencode()),
  invalidateTags: (store) => store.invalidateTags(['t']),
  sweep: (store) => store.sweep(),
  stats: async (store) => void store.stats(),
  ping: (store) => store.ping(),
  ready: (store) => store.ready(),
  disconnect: (store) => store.disconnect(),
};

const adapterMethods: Record<string, Call<KeyvRedisStore>> = {
  get: (adapter) => adapter.get('k'),
  getMany: (adapter) => adapter.getMany(['k']),
  set: (adapter) => adapter.set('k', 'v', Date.now() + 5000),
  setMany: (adapter) => adapter.setMany([{ key: 'k', value: 'v' }]),
  delete: (adapter) => adapter.delete('k'),
  deleteMany: (adapter) => adapter.deleteMany(['k']),
  has: (adapter) => adapter.has('k'),
  hasMany: (adapter) => adapter.hasMany(['k']),
  clear: (adapter) => adapter.clear(),
  iterator: (adapter) => drain(adapter.iterator()),
  reencode: (adapter) => drain(adapter.reencode()),
  invalidateTags: (adapter) => adapter.invalidateTags(['t']),
  stats: async (adapter) => void adapter.stats(),
  ping: (adapter) => adapter.ping(),
  ready: (adapter) => adapter.ready(),
  disconnect: (adapter) => adapter.disconnect(),
};

/** What a call gives where it does not reject with ERR_TIMEOUT. */
const storeAnswers: Record<string, unknown> = {
  get: undefined,
  getAndTouch: undefined,
  keepTtl: false,
  set: false,
  mset: undefined,
  mget: [undefined, undefined],
  ttl: -2,
  has: false,
  hasMany: [false, false],
  getOrSet: 1,
  getOrSetDetailed: { value: 1, tier: 'made' },
  getOrSetMany: [1],
  memoize: 1,
  typed: undefined,
  getMany: [undefined],
  put: false,
  putMany: [false],
  stats: undefined,
  disconnect: undefined,
};

const adapterAnswers: Record<string, unknown> = {
  get: undefined,
  getMany: [undefined],
  set: false,
  setMany: [false],
  delete: false,
  deleteMany: false,
  has: false,
  hasMany: [false],
  clear: undefined,
  invalidateTags: undefined,
  stats: undefined,
  disconnect: undefined,
};

describe('with the server frozen', () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.stop());
  afterEach(() => server.thaw());

  /** All calls at once against one frozen server, each on a store of its own: what each gives, within the bound of every call. */
  async function settleInTime<T>(
    methods: Record<string, Call<T>>,
    answers: Record<string, unknown>,
    open: () => T & { ready(): Promise<void> },
    warm: boolean,
  ): Promise<void> {
    const calls = Object.entries(methods).map(([name, call]) => ({ name, call, target: open() }));
    if (warm) await Promise.all(calls.map(({ target }) => untilReady(target)));
    server.freeze();
    const settled = await Promise.all(
      calls.map(async ({ name, call, target }) => {
        const { value, took } = await timed(() => call(target).catch((error) => error.code));
        // Whoever waits for a connection of a pool is late by either bound, and both are over at the same time.
        return { name, value: value === 'ERR_POOL_TIMEOUT' ? 'ERR_TIMEOUT' : value, took };
      }),
    );
    server.thaw();
    for (const { name, value, took } of settled) {
      expect(value, name).to.deep.equal(name in answers ? answers[name] : 'ERR_TIMEOUT');
      expect(took, name).to.be.below(timeout + slack);
    }
  }

  const pools: Record<string, StoreOptions> = {
    'one connection': {},
    'a round-robin pool': { pool: { class: RoundRobinPool, size: 2 } },
    'a blocking pool': { pool: { class: BlockingPool, max: 1 } },
  };
  for (const [name, options] of Object.entries(pools)) {
    for (const warm of [true, false]) {
      it(`settles every method of the store in time: ${name}, ${warm ? 'connected' : 'not connected yet'}`, async () => {
        const open = () => openStore({ location: server.location, timeout, version: 1, ...options });
        // The next connection of a round-robin pool is not there yet.
        await settleInTime(storeMethods, storeAnswers, open, warm);
      });
    }
  }
  it('settles every method of KeyvRedisStore in time', async () => {
    const open = () => closing(new KeyvRedisStore({ location: server.location, timeout, namespace: 'n' }));
    await settleInTime(adapterMethods, adapterAnswers, open, true);
  });

  it('names every method of both faces above', () => {
    const own = (type: object) =>
      Object.getOwnPropertyNames(type).filter((name) => !['constructor', 'on', 'off', 'with', 'isCacheable'].includes(name));
    const methods = (instance: object): string[] => {
      const names: string[] = [];
      for (let type = instance; type !== Object.prototype; type = Object.getPrototypeOf(type)) {
        names.push(...own(type).filter((name) => typeof Object.getOwnPropertyDescriptor(type, name)?.value === 'function'));
      }
      return names;
    };
    expect(Object.keys(storeMethods)).to.include.members(methods(openStore()));
    expect(Object.keys(adapterMethods)).to.include.members(methods(closing(new KeyvRedisStore())));
  });

  it('answers reads with misses, runs the function of getOrSet, and rejects what must not be passed over', async () => {
    const store = openStore({ location: server.location, timeout: 100 });
    await store.set('k', 1);
    server.freeze();
    expect(await Promise.all([store.get('k'), store.mget('k', 'l'), store.has('k'), store.getOrSet('k', () => 'made')])).to.deep.equal([
      undefined,
      [undefined, undefined],
      false,
      'made',
    ]);
    expect(store.errors.every(({ code }) => code === 'ERR_TIMEOUT')).to.equal(true);
    expect(store.errors.map(({ operation }) => operation)).to.have.members(['get', 'mget', 'has', 'getOrSet']);
  });

  it('drops what is answered after the deadline, and no answer goes to another call', async () => {
    const store = openStore({ location: server.location, timeout: 100 });
    await store.mset({ a: 'a', b: 'b' });
    server.freeze();
    expect(await Promise.all([store.get('a'), store.get('b')])).to.deep.equal([undefined, undefined]);
    server.thaw();
    for (let i = 0; i < 50; i++) expect(await Promise.all([store.get('b'), store.get('a')])).to.deep.equal(['b', 'a']);
  });

  it('lets the process end by itself after disconnect()', async () => {
    const script = `
      const { redisStore, BlockingPool, RoundRobinPool } = require('${compiled('src/index.ts')}');
      const { KeyvRedisStore } = require('${compiled('src/keyv.ts')}');
      const location = '${server.location}';
      const stores = [redisStore({ location, timeout: 200 }), redisStore({ location, timeout: 200, pool: { class: BlockingPool, max: 2 } }),
        redisStore({ location, timeout: 200, pool: { class: RoundRobinPool } }), new KeyvRedisStore({ location, timeout: 200 })];
      (async () => {
        await Promise.all(stores.map((store) => store.ready()));
        console.log('ready');
        await new Promise((resolve) => process.stdin.once('data', resolve));
        process.stdin.destroy();
        await Promise.all(stores.map((store) => store.get('k')));
        await Promise.all(stores.map((store) => store.disconnect()));
        console.log('disconnected');
      })();`;
    const ended = await runScript(script, () => server.freeze());
    expect(ended).to.deep.equal({ code: 0, signal: null, output: 'ready\ndisconnected\n' });
  });
});
