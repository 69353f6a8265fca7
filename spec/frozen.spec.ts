import { expect } from 'chai';
import { BlockingPool, RoundRobinPool, type StoreOptions } from '../src/index.js';
import { KeyvRedisStore } from '../src/keyv.js';
import { compiled } from './support/compiled.js';
import { closing, openStore } from './support/open.js';
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
  hasMany: (store) => store.hasMany(['a', 'b']),
  remainingTtl: (store) => store.remainingTtl('k'),
  touch: (store) => store.touch('k', 5),
  'touch for ever': (store) => store.touch('k', 0),
  persist: (store) => store.persist('k'),
  add: (store) => store.add('k', 1),
  incr: (store) => store.incr('k', 1, { initial: 0 }),
  decr: (store) => store.decr('k'),
  getOrSet: (store) => store.getOrSet('k', () => 1),
  lock: (store) => store.lock('k'),
  withLock: (store) => store.withLock('k', () => 1),
  getAndDelete: (store) => store.getAndDelete('k'),
  getMany: (store) => store.getMany(['a']),
  put: (store) => store.put('k', 1),
  putMany: (store) => store.putMany([['k', 1]]),
  discard: (store) => store.discard(['k', 'l']),
  remove: (store) => store.remove(['k']),
  removeEach: (store) => store.removeEach(['k']),
  delPattern: (store) => store.delPattern('*'),
  clear: (store) => store.clear({ allVersions: true }),
  clearPattern: (store) => store.clearPattern('*'),
  incrVersion: (store) => store.incrVersion('k'),
  iterate: (store) => drain(store.iterate()),
  reencode: (store) => drain(store.reencode()),
  invalidateTags: (store) => store.invalidateTags(['t']),
  sweep: (store) => store.sweep(),
  stats: async (store) => store.stats(),
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
  stats: async (adapter) => adapter.stats(),
  ping: (adapter) => adapter.ping(),
  ready: (adapter) => adapter.ready(),
  disconnect: (adapter) => adapter.disconnect(),
};

describe('with the server frozen', () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.stop());
  afterEach(() => server.thaw());

  /** All calls at once against one frozen server, each on a store of its own: how long each took. */
  async function settleTimes<T>(
    methods: Record<string, Call<T>>,
    open: () => T & { ready(): Promise<void> },
    warm: boolean,
  ): Promise<Record<string, number>> {
    const calls = Object.entries(methods).map(([name, call]) => ({ name, call, target: open() }));
    if (warm) await Promise.all(calls.map(({ target }) => target.ready()));
    server.freeze();
    const times = await Promise.all(
      calls.map(async ({ name, call, target }) => {
        const start = performance.now();
        await call(target).catch(() => {});
        return [name, performance.now() - start] as const;
      }),
    );
    server.thaw();
    return Object.fromEntries(times);
  }

  /** The bound of every call, and a little that is not the call's: all of them share this process. */
  function withinDeadline(times: Record<string, number>): void {
    for (const [name, time] of Object.entries(times)) expect(time, name).to.be.below(timeout + slack);
  }

  const pools: Record<string, StoreOptions> = {
    'one connection': {},
    'a round-robin pool': { pool: { class: RoundRobinPool, size: 2 } },
    'a blocking pool': { pool: { class: BlockingPool, max: 1 } },
  };
  for (const [name, options] of Object.entries(pools)) {
    for (const warm of [true, false]) {
      it(`settles every method of the store in time: ${name}, ${warm ? 'connected' : 'not connected yet'}`, async () => {
        withinDeadline(
          await settleTimes(storeMethods, () => openStore({ location: server.location, timeout, version: 1, ...options }), warm),
        );
      });
    }
  }
  for (const Adapter of [KeyvRedisStore]) {
    it(`settles every method of ${Adapter.name} in time`, async () => {
      const open = () => closing(new Adapter({ location: server.location, timeout, namespace: 'n' }));
      withinDeadline(await settleTimes(adapterMethods as never, open, true));
    });
  }

  it('names every method of both faces above', () => {
    const own = (type: object) =>
      Object.getOwnPropertyNames(type).filter((name) => !['constructor', 'on', 'off', 'with', 'kept', 'bounded'].includes(name));
    const methods = (instance: object): string[] => {
      const names: string[] = [];
      for (let type = Object.getPrototypeOf(instance); type !== Object.prototype; type = Object.getPrototypeOf(type)) {
        names.push(...own(type).filter((name) => typeof Object.getOwnPropertyDescriptor(type, name)?.value === 'function'));
      }
      return names;
    };
    expect(Object.keys(storeMethods)).to.include.members(methods(openStore()));
    const inner = ['unreadable'];
    expect([...Object.keys(adapterMethods), ...inner]).to.include.members(methods(closing(new KeyvRedisStore())));
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
