import { getEventListeners } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { GuardedPool } from '../../src/connection/guard.js';
import { BlockingPool, createPool, type Pool, RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { asAdmin } from '../support/acl.js';
import { cacheOf } from '../support/internals.js';
import { openStore, rejection, stopping, untilReady } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'a direct connection': { parser: 'auto' } };

/** A busy machine may take longer than the deadline of a call to connect. */
const untilConnected = (pool: Pool) =>
  until(() =>
    pool
      .use((connection) => connection.send(['PING']))
      .then(
        () => true,
        () => false,
      ),
  );

const ownServer = async () => stopping(await RedisServer.start());

describe('bounds of calls', () => {
  const it = sideBySide();

  it('may be the caller’s own for every call that cache-manager knows, and for locks', async () => {
    const store = openStore();
    const view = store.with({ timeout: 500 });
    await view.set('a', 1);
    await view.mset({ b: 2, c: 3 });
    expect(await view.mget('a', 'b', 'c')).to.deep.equal([1, 2, 3]);
    await view.del('a');
    await view.mdel('b');
    expect(await view.withLock('l', () => store.keys())).to.deep.equal(['c']);
    await view.reset();
    expect(await store.keys()).to.deep.equal([]);
  });

  it('are the caller’s own through with(): a deadline, or an AbortSignal', async () => {
    const server = await ownServer();
    const store = openStore({ location: server.location, timeout: 5000 });
    await store.set('k', 1);
    expect(await store.with({ timeout: 1000 }).get('k')).to.equal(1);
    expect(await store.with({ signal: new AbortController().signal }).get('k')).to.equal(1);
    server.freeze();
    const start = performance.now();
    expect(await store.with({ timeout: 100 }).get('k')).to.equal(undefined);
    expect(await rejection(cacheOf(store.with({ timeout: 100 })).writer.unlinkCounted(['k']))).to.include({
      code: 'ERR_TIMEOUT',
      timeout: 100,
    });
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    setTimeout(() => controller.abort(reason), 50);
    const aborted = await rejection(store.with({ signal: controller.signal }).get('k'));
    expect(aborted).to.include({ code: 'ERR_ABORTED', operation: 'get', key: 'k', cause: reason });
    expect((await rejection(store.with({ signal: controller.signal }).has('k'))).code).to.equal('ERR_ABORTED');
    expect(performance.now() - start).to.be.below(3000);
    expect(store.errors.some(({ code }) => code === 'ERR_ABORTED')).to.equal(false);
    for (const bounds of [{ timeout: 0 }, { timeout: Number.NaN }, { signal: 'x' as never }]) {
      expect(() => store.with(bounds)).to.throw('expected `');
    }
  });

  for (const breaker of [{}, false] as const)
    it(`tell a Redis that fails from one that is slow to answer a caller: silence for a whole deadline, or a connection that is lost${breaker ? '' : ', without a breaker'}`, async () => {
      const server = await ownServer();
      const pool = createPool({
        location: server.location,
        ...asAdmin,
        timeout: 600,
        breaker,
        pool: { class: RoundRobinPool, size: 2 },
      }) as GuardedPool;
      const block = (of: Pool) => rejection(of.use((connection) => connection.send(['BLPOP', 'none', '0.9'])));
      const ask = () => pool.use((connection) => connection.send(['GET', 'p:k']));
      await Promise.all([ask(), ask()]);
      const asking = setInterval(() => void ask().catch(() => {}), 20);
      expect((await block(pool)).code).to.equal('ERR_TIMEOUT');
      await sleep(1200);
      clearInterval(asking);
      expect((await block(pool.withBounds({ timeout: 150 }))).code).to.equal('ERR_TIMEOUT');
      await sleep(1200);
      expect((await rejection(pool.use((connection) => connection.send(['GET'])))).code).to.equal('ERR_COMMAND');
      expect(pool.failedAt).to.equal(Number.NEGATIVE_INFINITY);

      let before = performance.now();
      expect((await block(pool)).code).to.equal('ERR_TIMEOUT');
      expect(pool.failedAt).to.be.within(before + 450, performance.now());
      await sleep(1200);

      const redis = await rawClient(server);
      before = performance.now();
      const blocked = block(pool);
      await until(async () => Number(await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])) > 0);
      redis.destroy();
      expect((await blocked).code).to.equal('ERR_CONNECTION');
      expect(pool.failedAt).to.be.within(before, performance.now());
      await pool.close(200);
    });

  it('leave the breaker alone if a caller only asks how Redis is', async () => {
    const own = await RedisServer.start();
    const store = openStore({ location: own.location, timeout: 200 });
    await untilReady(store);
    await own.stop();
    await until(() => store.status === 'reconnecting');
    await rejection(store.ping());
    expect(store.breaker).to.equal('closed');
    await store.get('k');
    expect(store.breaker).to.equal('open');
  });

  for (const options of Object.values(kinds))
    it(`count a call that has expired once, whatever becomes of its command${options.parser ? ', over a direct connection' : ''}`, async () => {
      const own = await RedisServer.start();
      const pool = createPool({ location: own.location, ...options, timeout: 100, breaker: { threshold: 4 } } as never) as GuardedPool;
      await untilConnected(pool);
      own.freeze();
      const lone = rejection(pool.use((connection) => connection.send(['GET', 'p:k'])));
      const wrapped = rejection(pool.use(async (connection) => [await connection.send(['GET', 'p:k'])]));
      expect([(await lone).code, (await wrapped).code]).to.deep.equal(['ERR_TIMEOUT', 'ERR_TIMEOUT']);
      const { failedAt } = pool;
      // The connection is lost, and with it the two commands.
      await own.stop();
      await until(() => pool.status === 'reconnecting');
      expect([pool.breaker, pool.failedAt, pool.pending]).to.deep.equal(['closed', failedAt, 0]);
      await pool.close(0);
    });

  it('count a late reply as a failure, and as a sign of life: the next call is tried at once', async () => {
    const server = await ownServer();
    for (const options of Object.values(kinds)) {
      const pool = createPool({
        location: server.location,
        ...options,
        timeout: 100,
        breaker: { threshold: 2, cooldown: 60_000 },
      } as never) as GuardedPool;
      const get = () => pool.use((connection) => connection.send(['GET', 'p:k']));
      await untilConnected(pool);
      server.freeze();
      for (let i = 0; i < 2; i++) expect((await rejection(get())).code).to.equal('ERR_TIMEOUT');
      expect(pool.breaker).to.equal('open');
      server.thaw();
      await until(() =>
        get().then(
          () => true,
          () => false,
        ),
      );
      expect(pool.breaker).to.equal('closed');
      await pool.close(0);
    }
  });

  it('see a Redis that fails, whichever caller asks meanwhile for the connection', async () => {
    const server = await ownServer();
    const store = openStore({ location: server.location, timeout: 200, breaker: { threshold: 2 } });
    await untilReady(store);
    server.freeze();
    const asking = setInterval(() => void store.ready().catch(() => {}), 20);
    for (let i = 0; i < 2; i++) await store.get('k');
    clearInterval(asking);
    expect(store.breaker).to.equal('open');
  });

  it('send nothing more for a call whose caller gave up: it waits to connect, or for a connection of the pool', async () => {
    const server = await ownServer();
    const store = openStore({ location: server.location });
    const controller = new AbortController();
    const waiting = cacheOf(store.with({ signal: controller.signal })).writer.set('k', 1);
    controller.abort();
    expect((await rejection(waiting)).code).to.equal('ERR_ABORTED');
    await untilReady(store);
    const pooled = openStore({ location: server.location, pool: { class: BlockingPool, max: 1 } });
    await untilReady(pooled);
    server.freeze();
    const busy = pooled.get('other');
    await sleep(0);
    const second = new AbortController();
    const behind = cacheOf(pooled.with({ signal: second.signal })).writer.set('k', 1);
    await sleep(20);
    second.abort();
    expect((await rejection(behind)).code).to.equal('ERR_ABORTED');
    server.thaw();
    await busy;
    await sleep(100);
    expect([await store.get('k'), await pooled.get('k')]).to.deep.equal([undefined, undefined]);
  });

  it('hold where they are longer than the store’s: the connection is not given up before', async () => {
    const server = await ownServer();
    for (const options of Object.values(kinds)) {
      const store = openStore({ location: server.location, timeout: 300, ...options });
      await store.set('k', 1);
      server.freeze();
      const long = store.with({ timeout: 10_000 }).get('k');
      await sleep(1600);
      server.thaw();
      expect(await long).to.equal(1);
      expect(store.errors).to.deep.equal([]);
    }
  });

  it('leave no listener on a signal that many calls share', async () => {
    const server = await ownServer();
    const store = openStore({ location: server.location });
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 100 }, () => store.with({ signal }).get('k'));
    expect(getEventListeners(signal, 'abort').length).to.equal(1);
    await Promise.all(calls);
    await sleep(0);
    expect(getEventListeners(signal, 'abort').length).to.equal(0);
  });

  it('let no more than maxPending operations be under way, and say so', async () => {
    const server = await ownServer();
    const store = openStore({ location: server.location, timeout: 300, maxPending: 10, breaker: false });
    await untilReady(store);
    server.freeze();
    const outcomes = await Promise.allSettled(Array.from({ length: 25 }, (_, i) => store.touch(`k${i}`, 1)));
    const codes = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.code);
    expect(codes.filter((code) => code === 'ERR_TIMEOUT').length).to.equal(10);
    expect(codes.filter((code) => code === 'ERR_OVERLOADED').length).to.equal(15);
    server.thaw();
    expect(() => openStore({ maxPending: 0 })).to.throw('expected `maxPending` to be an integer ≥ 1, got `0`');
  });
});

describe('a connection that gives no sign of life', () => {
  const it = sideBySide();
  for (const [kind, options] of Object.entries(kinds)) {
    it(`is replaced, also where the shake of hands is what is swallowed: ${kind}`, async () => {
      const server = await ownServer();
      // Connections that exist while it swallows stay dead for ever, as after a crash of a host or a lost route.
      let swallowing = false;
      const sockets = new Set<Socket>();
      const proxy = createServer((near) => {
        const far = connect(server.port, '127.0.0.1');
        const dead = { is: swallowing };
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          sockets.add(from);
          from.on('data', (chunk) => {
            dead.is ||= swallowing;
            if (!dead.is) to.write(chunk);
          });
          from.on('error', () => {}).on('close', () => to.destroy());
        }
      }).listen(0, '127.0.0.1');
      await sleep(50);
      const { port } = proxy.address() as { port: number };
      const store = openStore({ location: `127.0.0.1:${port}`, timeout: 300, ...options });
      await store.set('k', 1);
      swallowing = true;
      const busy = Date.now() + 2500;
      while (Date.now() < busy) {
        expect(await store.get('k')).to.equal(undefined);
        await sleep(5);
      }
      swallowing = false;
      const healed = performance.now();
      while ((await store.get('k')) !== 1 && performance.now() - healed < 10_000) await sleep(5);
      expect(performance.now() - healed).to.be.below(2000);
      expect(await store.get('k')).to.equal(1);
      expect(store.breaker).to.equal('closed');
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });

    it(`is left alone where nothing is asked of it: ${kind}`, async () => {
      const server = await ownServer();
      const store = openStore({ location: server.location, timeout: 1000, ...options });
      await store.set('k', 1);
      const redis = await rawClient(server);
      const connections = async () => Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))?.[1]);
      const before = await connections();
      await sleep(1500);
      expect(await store.get('k')).to.equal(1);
      expect(await connections()).to.equal(before);
      redis.destroy();
    });
  }
});
