import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { expect } from 'chai';
import {
  BlockingPool,
  createPool,
  type NearOptions,
  type RedisStore,
  RoundRobinPool,
  type StoreOptions,
  v8Serializer,
} from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { asAdmin } from '../support/acl.js';
import { certificates } from '../support/certificates.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { timed } from '../support/load.js';
import { closing, openStore, rejection, stopping } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { tlsServer } from '../support/settings.js';
import { until } from '../support/until.js';
import { commandStats, onOwnServer, type RawClient, rawClient } from '../support/wire.js';

/** The longest delay of an invalidation, in milliseconds. */
const soon = 5000;

describe('near cache', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((own, client) => {
    server = own;
    redis = client;
  });

  /** A store with a near tier that is up. */
  async function openNear(options: StoreOptions = {}): Promise<ReturnType<typeof openStore>> {
    const store = openStore({ location: server.location, near: {}, prefix: 'p', ...options });
    await untilKept(store);
    return store;
  }

  /** Waits until reads are kept. */
  async function untilKept(store: RedisStore, beside = redis): Promise<void> {
    await until(async () => (await roundTrips(() => store.get('no such key'), beside)) === 0, soon);
  }

  /** How many commands the work sends to the server. */
  async function roundTrips(work: () => Promise<unknown>, beside = redis): Promise<number> {
    const count = async (): Promise<number> => {
      const { info: _, 'client|trackinginfo': __, ...others } = await commandStats(beside);
      return Object.values(others).reduce((sum, calls) => sum + calls, 0);
    };
    const before = await count();
    await work();
    return (await count()) - before;
  }

  beforeEach(() => redis.flushDb());

  it('is on again after a server that could not answer for a while', async () => {
    const own = await RedisServer.start(['--lua-time-limit', '50']);
    const beside = await rawClient(own);
    const runner = await rawClient(own);
    const store = openStore({ location: own.location, near: {}, prefix: 'p' });
    await untilKept(store, beside);
    runner.eval('while true do end', {}).catch(() => {});
    await until(async () => {
      await store.get(`never read before ${store.errors.length}`);
      return store.errors.some(({ code }) => code === 'ERR_UNAVAILABLE');
    });
    await beside.sendCommand(['SCRIPT', 'KILL']);
    // Killed where the script next looks, which may be after the answer.
    await until(async () =>
      beside.ping().then(
        () => true,
        () => false,
      ),
    );
    await untilKept(store, beside);
    runner.destroy();
    beside.destroy();
    await own.stop();
  });

  it('answers get, mget and has without a round trip, known misses too', async () => {
    const store = await openNear();
    await store.set('k', { a: [1, null] });
    await store.mget('k', 'gone');
    const trips = await roundTrips(async () => {
      expect(await store.get('k')).to.deep.equal({ a: [1, null] });
      expect(await store.mget('k', 'gone', 'k')).to.deep.equal([{ a: [1, null] }, undefined, { a: [1, null] }]);
      expect([await store.has('k'), await store.has('gone'), ...(await cacheOf(store).reader.hasMany(['gone', 'k']))]).to.deep.equal([
        true,
        false,
        false,
        true,
      ]);
      expect(await store.getOrSet('k', () => 'not called')).to.deep.equal({ a: [1, null] });
    });
    expect(trips).to.equal(0);
  });

  it('keeps the answer of has, which does not bring the value', async () => {
    const store = await openNear();
    await store.set('k', 'x'.repeat(1000));
    expect([await store.has('k'), await store.has('gone')]).to.deep.equal([true, false]);
    expect(await roundTrips(() => cacheOf(store).reader.hasMany(['k', 'gone']))).to.equal(0);
    expect(await roundTrips(() => store.get('k'))).to.equal(2);
    expect(await store.get('k')).to.have.length(1000);
  });

  it('sees what others write, delete, rename, expire and flush', async () => {
    const store = await openNear();
    const shown = (value: unknown): Promise<void> => until(async () => (await store.get('k')) === value, soon);
    await redis.set('p:k', '1');
    await shown(1);
    await redis.set('p:k', '2');
    await shown(2);
    await redis.del('p:k');
    await shown(undefined);
    await redis.set('p:l', '3');
    await redis.rename('p:l', 'p:k');
    await shown(3);
    await redis.pExpire('p:k', 1);
    await shown(undefined);
    await redis.set('p:k', '4');
    await shown(4);
    await redis.flushDb();
    await shown(undefined);
    await redis.eval("redis.call('SET', KEYS[1], ARGV[1])", { keys: ['p:k'], arguments: ['5'] });
    await shown(5);
  });

  it('sees its own writes at once, whichever method writes', async () => {
    for (const pool of [undefined, { class: RoundRobinPool, size: 3 }, { class: BlockingPool, max: 3 }]) {
      const store = await openNear({ prefix: 'own', pool });
      const expectAll = async (value: unknown): Promise<void> => {
        for (let i = 0; i < 3; i++) {
          expect(await store.get('k')).to.deep.equal(value);
          expect(await store.mget('k')).to.deep.equal([value]);
          expect(await store.has('k')).to.equal(value !== undefined);
        }
      };
      for (let i = 0; i < 20; i++) {
        await store.set('k', i);
        await expectAll(i);
        await store.incr('k');
        await expectAll(i + 1);
        await store.mset({ k: 'm' });
        await expectAll('m');
        await store.del('k');
        await expectAll(undefined);
        await store.add('k', 'a');
        await expectAll('a');
        expect(await store.getAndDelete('k')).to.equal('a');
        await expectAll(undefined);
        await store.mset({ k: i });
        await expectAll(i);
        await store.mdel('k');
        await expectAll(undefined);
        await store.getOrSet('k', () => 'made');
        await expectAll('made');
        await store.reset();
        await expectAll(undefined);
      }
      await store.disconnect();
    }
  });

  it('keeps the order of calls on one key, also while a value is being encoded', async () => {
    const store = await openNear({ compression: { algorithm: 'gzip', threshold: 0 } });
    for (let i = 0; i < 20; i++) {
      const [, seen, , gone] = await Promise.all([store.set('k', i), store.get('k'), store.del('k'), store.get('k')]);
      expect([seen, gone]).to.deep.equal([i, undefined]);
      expect(await store.get('k')).to.equal(undefined);
    }
  });

  it('keeps nothing of a read that a change overtook', async () => {
    const proxy = stopping(await FaultProxy.start(server.port, new Random(1)));
    const store = await openNear({ location: proxy.location, timeout: 2000 });
    for (let round = 1; round <= 3; round++) {
      const key = `k${round}`;
      await redis.set(`p:${key}`, '1');
      const asked = async (): Promise<number> => (await commandStats(redis))['get'] ?? 0;
      const before = await asked();
      proxy.become({ kind: 'late', by: 300, jitter: 0 });
      const reading = store.get(key);
      await until(async () => (await asked()) > before);
      await redis.set(`p:${key}`, '2');
      // What was told of the change is on its way, right behind the answer: both come in one piece.
      await sleep(30);
      proxy.become({ kind: 'open' });
      expect(await reading).to.equal(1);
      expect(await store.get(key)).to.equal(2);
    }
  });

  it('ends entries no later than Redis does, and no later than `near.ttl`', async () => {
    // A server that does not look for what has expired by itself, so that no push tells of it.
    const lazy = await RedisServer.start(['--enable-debug-command', 'yes']);
    const client = await rawClient(lazy);
    await client.sendCommand(['DEBUG', 'SET-ACTIVE-EXPIRE', '0']);
    const open = (near: NearOptions): RedisStore => openStore({ location: lazy.location, prefix: 'p', near });
    const [store, capped] = [open({}), open({ ttl: 150 })];
    for (const each of [store, capped]) await untilKept(each, client);
    await store.set('k', 1, 300);
    await store.set('forever', 1);
    const start = performance.now();
    await Promise.all([store.get('k'), capped.get('forever')]);
    expect(await roundTrips(() => Promise.all([store.get('k'), capped.get('forever')]), client)).to.equal(0);
    await sleep(320 - (performance.now() - start));
    expect(await store.get('k')).to.equal(undefined);
    expect(await roundTrips(() => capped.get('forever'), client)).to.equal(2);
    client.destroy();
  });

  it('sees a changed time to live', async () => {
    const store = await openNear();
    await store.set('k', 1);
    await store.get('k');
    await store.touch('k', 40);
    expect(await store.get('k')).to.equal(1);
    await sleep(60);
    expect(await store.get('k')).to.equal(undefined);
  });

  it('gives every caller a value of its own', async () => {
    const store = await openNear({ serializer: v8Serializer });
    const value = { list: [1], bytes: Buffer.from('abc'), map: new Map([['a', 1]]) };
    await store.set('k', value);
    await store.set('b', Buffer.from('abc'));
    for (let i = 0; i < 3; i++) {
      const [got] = (await store.mget('k')) as [typeof value];
      expect(got).to.deep.equal(value);
      got.list.push(2);
      got.bytes[0] = 0;
      got.map.clear();
      const bytes = (await store.get<Buffer>('b')) as Buffer;
      expect(bytes).to.deep.equal(Buffer.from('abc'));
      bytes[0] = 0;
    }
  });

  it('gives every caller bytes of its own where a decompressor hands on what it was given', async () => {
    const store = await openNear({ compression: { compress: (bytes) => bytes, decompress: (bytes) => bytes, threshold: 0 } });
    await store.set('b', Buffer.from('abc'));
    for (let i = 0; i < 3; i++) {
      const bytes = (await store.get<Buffer>('b')) as Buffer;
      expect(bytes).to.deep.equal(Buffer.from('abc'));
      bytes[0] = 0;
    }
  });

  it('shares one frozen value with `freeze`, and nothing that cannot be frozen', async () => {
    for (const compression of [undefined, 'gzip'] as const) {
      const store = await openNear({ near: { freeze: true }, serializer: v8Serializer, compression });
      await store.set('k', { list: [{ a: 1 }] });
      const [first, second] = [await store.get<{ list: { a: number }[] }>('k'), await store.get('k')];
      expect(first).to.deep.equal({ list: [{ a: 1 }] });
      expect(second).to.equal(first);
      expect((await store.mget('k'))[0]).to.equal(first);
      expect(Object.isFrozen(first) && Object.isFrozen(first?.list) && Object.isFrozen(first?.list[0])).to.equal(true);
      await store.set('k', { list: [] });
      expect(await store.get('k')).to.deep.equal({ list: [] });
      await store.set('m', { map: new Map([['a', 1]]), bytes: Buffer.from('abc'), date: new Date(0) });
      const [one, other] = [await store.get<{ map: Map<string, number> }>('m'), await store.get<{ map: Map<string, number> }>('m')];
      one?.map.clear();
      expect(other?.map.get('a')).to.equal(1);
      expect(other).not.to.equal(one);
      await store.disconnect();
    }
  });

  it('holds no more than `max` entries and `maxBytes` bytes, and goes to Redis for the rest', async () => {
    const entries = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'x'.repeat(1000)]));
    for (const near of [{ max: 10 }, { maxBytes: 12_000 }]) {
      const store = await openNear({ near });
      await store.mset(entries);
      await store.mget(...Object.keys(entries));
      expect(await roundTrips(() => store.get('k49'))).to.equal(0);
      expect(await roundTrips(() => store.get('k0'))).to.equal(2);
      expect(await roundTrips(async () => Promise.all(Object.keys(entries).map((key) => store.get(key))))).to.be.above(2);
      expect(await store.get('k0')).to.have.length(1000);
      await store.disconnect();
    }
  });

  it('forgets everything when its connection is lost, and is filled again when it is back', async () => {
    for (const pool of [undefined, { class: RoundRobinPool, size: 2 }]) {
      const store = await openNear({ pool });
      await store.set('k', 1);
      await store.get('k');
      await killTracking(redis);
      await redis.set('p:k', '2');
      await until(async () => (await store.get('k')) === 2, soon);
      await untilKept(store);
      await store.get('k');
      expect(await roundTrips(() => store.get('k'))).to.equal(0);
      await redis.set('p:k', '3');
      await until(async () => (await store.get('k')) === 3, soon);
      await store.disconnect();
    }
  });

  for (const [name, read] of Object.entries({
    get: (store: RedisStore) => store.get('k'),
    mget: async (store: RedisStore) => (await store.mget('k', 'none'))[0],
  })) {
    it(`answers the first ${name} after its connection was lost`, async () => {
      const store = openStore({ location: server.location, near: {}, prefix: 'p' });
      await store.set('k', 1);
      for (let time = 0; time < 5; time++) {
        await killTracking(redis);
        for (let i = 0; store.breaker !== 'open'; i++) await store.get(`none ${time} ${i}`);
        await until(() => store.status === 'ready');
        await sleep(20);
        expect(await read(store)).to.equal(1);
      }
    });
  }

  it('serves for at most `maxStaleness` after its connection was lost', async () => {
    const own = await RedisServer.start();
    const client = await rawClient(own);
    const open = (near: NearOptions): RedisStore => openStore({ location: own.location, near });
    const [store, flushed] = [open({ maxStaleness: 600 }), open({})];
    for (const each of [store, flushed]) {
      await untilKept(each, client);
      await each.set('k', 1);
      await each.get('k');
    }
    client.destroy();
    const { took } = await timed(async () => {
      await own.stop();
      await until(async () => (await flushed.get('k')) === undefined, 400);
      expect(await store.get('k')).to.equal(1);
      await until(async () => (await store.get('k')) === undefined, soon);
    });
    expect(took).to.be.within(300, 600 + 150);
  });

  it('does not believe a connection that has gone silent', async () => {
    const own = await RedisServer.start();
    const client = await rawClient(own);
    const store = openStore({ location: own.location, prefix: 'p', near: {}, timeout: 200 });
    await untilKept(store, client);
    await store.set('k', 1);
    await store.get('k');
    own.freeze();
    try {
      // Twice the deadline, and some time to notice.
      await sleep(700);
      expect(await store.get('k')).to.equal(undefined);
    } finally {
      own.thaw();
    }
    await client.set('p:k', '2');
    await until(async () => (await store.get('k')) === 2, soon);
    client.destroy();
  });

  it('goes to Redis in time where a loop of hits never lets the process read what was pushed', async () => {
    const store = await openNear({ timeout: 100 });
    await store.set('k', 1);
    await store.get('k');
    void redis.set('p:k', '2');
    let hits = 0;
    while ((await store.get('k')) === 1) hits++;
    expect(hits).to.be.above(100);
  });

  it('keeps a key again after a write of it has failed', async () => {
    const store = await openNear();
    await store.set('k', 'no number');
    expect((await rejection(store.incr('k'))).code).to.equal('ERR_COMMAND');
    await until(async () => (await roundTrips(() => store.get('k'))) === 0, 2000);
    expect(await store.get('k')).to.equal('no number');
  });

  it('hears of keys that the server no longer remembers', async () => {
    const small = await RedisServer.start(['--tracking-table-max-keys', '5']);
    const client = await rawClient(small);
    const store = openStore({ location: small.location, prefix: 'p', near: {} });
    await untilKept(store, client);
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    for (const value of [1, 2]) {
      await client.mSet(Object.fromEntries(keys.map((key) => [`p:${key}`, String(value)])));
      await until(async () => (await store.mget(...keys)).every((read) => read === value), soon);
    }
    client.destroy();
  });

  it('keeps apart what a key function makes of one key', async () => {
    let tenant = 'a';
    const store = await openNear({ near: { freeze: true }, keyFunction: (key) => `${tenant}:${key}` });
    for (const name of ['a', 'b']) {
      tenant = name;
      await store.set('k', { name });
      await store.get('k');
    }
    for (const name of ['a', 'b', 'a']) {
      tenant = name;
      expect(await roundTrips(async () => expect(await store.get('k')).to.deep.equal({ name }))).to.equal(0);
    }
  });

  describe('where tracking cannot be had', () => {
    const cases: Record<string, () => Promise<StoreOptions>> = {
      'RESP 2': async () => ({ location: server.location, RESP: 2 }),
      'a direct connection': async () => ({ location: server.location, parser: 'auto' }),
      'a user who may not': async () => {
        await redis.sendCommand(['ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+@all', '-client|tracking']);
        return { location: server.location, username: 'reader', password: 'pw' };
      },
      'a user who may not ask': async () => {
        await redis.sendCommand(['ACL', 'SETUSER', 'asker', 'on', '>pw', '~*', '+@all', '-client|trackinginfo']);
        return { location: server.location, username: 'asker', password: 'pw' };
      },
      'a user who may not see the time to live': async () => {
        await redis.sendCommand(['ACL', 'SETUSER', 'timeless', 'on', '>pw', '~*', '+@all', '-pttl', '-ttl']);
        return { location: server.location, username: 'timeless', password: 'pw' };
      },
      'a pool of the user’s own': async () => {
        const pool = createPool({ location: server.location });
        closing({ disconnect: () => pool.close(100) });
        return { pool };
      },
      'a client of the user’s own that does not listen': async () => {
        const client = createClient({ url: server.url });
        closing({ disconnect: async () => client.destroy() });
        return { client };
      },
    };
    for (const [title, options] of Object.entries(cases)) {
      it(`says so once and goes to Redis for every read: ${title}`, async () => {
        const warnings: Error[] = [];
        const onWarning = (warning: Error): number => warnings.push(warning);
        process.on('warning', onWarning);
        try {
          const store = openStore({ ...(await options()), near: {}, prefix: 'p' });
          for (let i = 0; i < 30; i++) {
            await redis.set('p:k', String(i));
            expect(await store.get('k')).to.equal(i);
            expect(await store.mget('k', 'none')).to.deep.equal([i, undefined]);
          }
          await sleep(10);
          // Refused commands have a warning of their own, once in a process.
          const near = warnings.filter((warning) => (warning as NodeJS.ErrnoException).code !== 'REDIS_TIER_COMMAND');
          expect(near.map((warning) => (warning as NodeJS.ErrnoException).code)).to.deep.equal(['REDIS_TIER_NEAR']);
          expect(near[0]?.message).to.match(/^the near cache is off/);
          expect(store.errors).to.deep.equal([]);
        } finally {
          process.off('warning', onWarning);
        }
      });
    }
  });

  it('works on a client of the user’s own that was made to emit invalidations', async () => {
    const client = createClient({ url: server.url, RESP: 3, emitInvalidate: true });
    closing({ disconnect: async () => client.destroy() });
    const store = openStore({ client, prefix: 'p', near: {} });
    await untilKept(store);
    await redis.set('p:k', '1');
    expect(await store.get('k')).to.equal(1);
    expect(await roundTrips(() => store.get('k'))).to.equal(0);
    await redis.set('p:k', '2');
    await until(async () => (await store.get('k')) === 2, soon);
    await client.sendCommand(['CLIENT', 'TRACKING', 'OFF']);
    const [warning] = (await once(process, 'warning')) as [Error];
    expect(warning.message).to.include('does not track');
    await redis.set('p:k', '3');
    expect(await store.get('k')).to.equal(3);
  });

  it('works over a unix socket, with a user and another database', async () => {
    await redis.sendCommand(['ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '&*', '+@all']);
    const store = await openNear({ location: server.unixSocket, username: 'app', password: 'pw', database: 1, prefix: 'u' });
    await store.set('k', 1);
    await store.get('k');
    expect(await roundTrips(() => store.get('k'))).to.equal(0);
  });

  it('works over TLS', async () => {
    const { ca, server: own, client } = await certificates();
    const port = await freePort();
    const secure = await tlsServer(port, ca.cert, own);
    const socket = { ca: ca.cert, cert: client.cert, key: client.key } as NonNullable<StoreOptions['socket']>;
    const options = { location: `rediss://127.0.0.1:${port}`, socket, prefix: 'p' };
    // The other one counts the round trips as well.
    const [store, other] = [openStore({ ...options, near: {} }), openStore({ ...options, ...asAdmin })];
    await other.ready();
    await untilKept(store, other.client as unknown as RawClient);
    await other.set('k', 1);
    await until(async () => (await store.get('k')) === 1, soon);
    await other.set('k', 2);
    await until(async () => (await store.get('k')) === 2, soon);
    await Promise.all([store, other].map((each) => each.disconnect()));
    await secure.stop();
  });

  it('stands under Keyv', async () => {
    const keyv = closing(createKeyv({ location: server.location, namespace: 'n', near: {} }));
    await keyv.set('k', { a: 1 }, 60_000);
    await until(async () => (await roundTrips(() => keyv.get('k'))) === 0, soon);
    expect(await keyv.get('k')).to.deep.equal({ a: 1 });
    await redis.del('n::k');
    await until(async () => (await keyv.get('k')) === undefined, soon);
  });

  it('is empty after disconnect(), and leaves no timer', async () => {
    const store = await openNear();
    await store.set('k', 1);
    await store.get('k');
    await store.disconnect();
    expect(await store.get('k')).to.equal(undefined);
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Interval')).to.deep.equal([]);
  });

  it('refuses options that it does not understand', () => {
    const refused = (near: unknown): string => {
      try {
        openStore({ near: near as never, location: sharedServer().location });
      } catch (error) {
        return (error as Error).message;
      }
      return 'taken';
    };
    expect(refused(true)).to.equal('expected `near` to be an object or false, got `true`');
    expect(refused({ max: 0 })).to.equal('expected `near.max` to be an integer ≥ 1, got `0`');
    expect(refused({ maxBytes: 0.5 })).to.include('near.maxBytes');
    expect(refused({ ttl: 0 })).to.include('near.ttl');
    expect(refused({ maxStaleness: -1 })).to.include('near.maxStaleness');
    expect(refused({ freeze: 'yes' })).to.include('near.freeze');
    expect(refused({ size: 1 })).to.include('unknown option `near.size`');
  });
});

/** Cuts every connection that the server tracks. */
async function killTracking(redis: RawClient): Promise<void> {
  const list = String(await redis.sendCommand(['CLIENT', 'LIST']));
  for (const [, id] of list.matchAll(/^id=(\d+) .* flags=\S*t\S* /gm)) await redis.sendCommand(['CLIENT', 'KILL', 'ID', id as string]);
}
