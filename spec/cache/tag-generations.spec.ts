import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { amount } from '../support/whole.js';
import { commandStats, onOwnServer, type RawClient, rawClient } from '../support/wire.js';

const minute = 60_000;
const ending = amount({ some: 25_000, all: 100_000 });

describe('the keys of tags', () => {
  let server: RedisServer;
  let redis: RawClient;
  let prefix: string;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });
  beforeEach(() => {
    prefix = randomUUID();
  });
  const open = (more: StoreOptions = {}) => openStore({ location: server.location, prefix, ...more });
  const left = (tag: string): Promise<number> => redis.pTTL(`${prefix}#t:${tag}`);

  it('live half as long again as the longest entry with the tag, and for ever only with one that does', async () => {
    const [one, two] = [open(), open()];
    await one.set('a', 1, { tags: ['t'], ttl: minute });
    expect(await left('t')).to.be.within(minute, 1.5 * minute);
    await two.set('b', 1, { tags: ['t'], ttl: 1000 });
    expect(await left('t')).to.be.above(minute);
    await two.set('b', 1, { tags: ['t'], ttl: 10 * minute });
    expect(await left('t')).to.be.within(10 * minute, 15 * minute);
    await one.set('c', 1, { tags: ['t'] });
    expect(await left('t')).to.equal(-1);
    await two.set('d', 1, { tags: ['t'], ttl: 1000 });
    expect(await left('t')).to.equal(-1);
    expect(await one.mget('a', 'b', 'c', 'd')).to.deep.equal([1, 1, 1, 1]);
    await two.invalidateTags(['t']);
    expect(await one.mget('a', 'b', 'c', 'd')).to.deep.equal([undefined, undefined, undefined, undefined]);
    await one.set('a', 1, { tags: ['t'], ttl: minute });
    expect(await left('t')).to.be.within(minute, 1.5 * minute);
  });

  it('are asked for by one GET in a tick while they live long enough, and by a script where they do not', async () => {
    const store = open();
    await store.mset({ a: 1 }, { tags: ['t', 'u'], ttl: minute });
    await redis.configResetStat();
    await Promise.all([store.set('a', 1, { tags: ['t'], ttl: minute }), store.set('b', 2, { tags: ['u'], ttl: 1000 })]);
    expect(await commandStats(redis))
      .to.include({ mget: 1, set: 2 })
      .and.not.to.have.any.keys('evalsha', 'get', 'pttl');
    await redis.configResetStat();
    await store.set('a', 1, { tags: ['t'], ttl: 10 * minute });
    expect(await commandStats(redis)).to.include({ evalsha: 1, pexpire: 1 });
    await redis.del(`${prefix}#t:t`);
    await store.set('a', 2, { tags: ['t'], ttl: minute });
    expect(await left('t')).to.be.within(minute, 1.5 * minute);
    expect(await store.get('a')).to.equal(2);
  });

  it('are extended by a process that knows nothing of an invalidation by another one', async () => {
    const [one, two] = [open(), open()];
    await one.set('a', 1, { tags: ['t'], ttl: 10 * minute });
    await two.invalidateTags(['t']);
    await two.set('b', 1, { tags: ['t'], ttl: 1000 });
    expect(await left('t')).to.be.below(2000);
    await one.set('a', 2, { tags: ['t'], ttl: minute });
    expect(await left('t')).to.be.within(minute, 1.5 * minute);
    expect(await two.get('a')).to.equal(2);
  });

  it('outlive what getOrSet makes, however long its function takes and whatever time to live it gives', async () => {
    const store = open({ ttl: 10 * minute });
    await store.getOrSet(
      'a',
      async () => {
        expect(await left('t')).to.be.above(100_000);
        return 1;
      },
      { tags: ['t'] },
    );
    await store.getOrSet(
      'b',
      ({ setTtl }) => {
        setTtl(20 * minute);
        return 1;
      },
      { tags: ['u'], ttl: minute },
    );
    await store.getOrSet('c', () => 1, { tags: ['v'], ttl: minute, staleFor: 30 * minute });
    await store.getOrSet('d', () => 1, { tags: ['w'], ttl: 0 });
    await store.ping();
    expect(await left('t')).to.be.within(10 * minute, 15 * minute);
    expect(await left('u')).to.be.within(20 * minute, 30 * minute);
    expect(await left('v')).to.be.above(31 * minute);
    expect(await left('w')).to.equal(-1);
  });

  it('are extended with an entry that is touched or persisted, its stale window included', async () => {
    const [store, other] = [open(), open()];
    const many = Array.from({ length: 100 }, (_, i) => `many ${i}`);
    await store.set('a', 1, { tags: ['t', ...many], ttl: 1000 });
    await store.getOrSet('b', () => 1, { tags: ['u'], ttl: 1000, staleFor: minute });
    expect(await other.touch('a', 10 * minute)).to.equal(true);
    expect(await other.touch('b', 100 * minute)).to.equal(true);
    for (const tag of ['t', 'many 0', 'many 99']) expect(await left(tag)).to.be.within(10 * minute, 15 * minute);
    expect(await left('u')).to.be.above(101 * minute);
    expect(await other.persist('a')).to.equal(true);
    expect(await left('t')).to.equal(-1);
    expect(await other.touch('b', 0)).to.equal(true);
    expect(await left('u')).to.equal(-1);
    // What was invalidated is not made anew for that.
    await store.invalidateTags(['t']);
    expect(await other.touch('a', minute)).to.equal(true);
    expect(await left('t')).to.equal(-2);
  });

  it('of a store with lazyClear: the generation lives as long as its entries', async () => {
    const store = open({ lazyClear: true });
    await store.set('a', 1, minute);
    expect(await left('')).to.be.within(minute, 1.5 * minute);
    await store.set('b', 1);
    expect(await left('')).to.equal(-1);
    expect(await store.mget('a', 'b')).to.deep.equal([1, 1]);
  });

  it('under memory: too', async () => {
    const store = openStore({ location: 'memory:' });
    for (let i = 0; i < 100; i++) await store.set(`k${i}`, i, { tags: [`t${i}`], ttl: 20 });
    const tags = async (): Promise<number> => {
      let count = 0;
      for await (const { keys } of cacheOf(store).context.commands.scan('*#t:*')) count += keys.length;
      return count;
    };
    expect(await tags()).to.equal(100);
    await sleep(400);
    expect(await tags()).to.equal(0);
  });

  it(`do not fill a server that evicts nothing: ${ending} entries that end, each with a tag of its own`, async function () {
    this.timeout(60_000);
    const small = await RedisServer.start(['--maxmemory', '5mb', '--maxmemory-policy', 'noeviction', '--hz', '100']);
    const client = await rawClient(small);
    try {
      const store = closing(openStore({ location: small.location, timeout: 10_000 }));
      for (let i = 0; i < ending; ) {
        const writes: Promise<void>[] = [];
        for (const end = i + 400; i < end; i++) writes.push(store.set(`order:${i}`, 'x', { ttl: 50 + (i % 50), tags: [`order:${i}`] }));
        await Promise.all(writes);
        // At the pace of a busy server: what lives at a time has to fit.
        await sleep(10);
      }
      await sleep(600);
      await store.set('after', 'y', { ttl: 10_000, tags: ['fresh'] });
      expect(await store.get('after')).to.equal('y');
      expect(store.errors).to.deep.equal([]);
      expect(await client.dbSize()).to.be.below(1000);
    } finally {
      client.destroy();
      await small.stop();
    }
  });

  const writes: Record<string, (store: RedisStore) => Promise<unknown>> = {
    clear: (store) => store.clear(),
    reset: (store) => store.reset(),
    invalidateTags: (store) => store.invalidateTags(['t']),
    'invalidateTags of another view': (store) => store.with({ timeout: 500 }).invalidateTags(['t']),
  };
  for (const where of ['memory:', 'Redis']) {
    for (const lazyClear of [false, true]) {
      for (const [name, call] of Object.entries(writes)) {
        it(`do not lose what is written directly after ${name}${lazyClear ? ' under lazyClear' : ''}: ${where}`, async () => {
          const store = open({ lazyClear, ...(where === 'memory:' ? { location: where } : {}) });
          await store.set('k', 1, { tags: ['t'] });
          await call(store);
          await store.set('k', 2, { tags: ['t'] });
          expect(await store.get('k')).to.equal(2);
          await call(store);
          expect(await store.get('k')).to.equal(undefined);
          expect(await store.getOrSet('k', () => 3, { tags: ['t'] })).to.equal(3);
          expect(await store.get('k')).to.equal(3);
        });
      }
    }
  }
});
