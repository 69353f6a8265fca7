import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Commands } from '../../src/commands/commands.js';
import { DeleteQueue } from '../../src/commands/delete-queue.js';
import { memoryCommands } from '../../src/commands/memory.js';
import { ConnectionError, PermissionError } from '../../src/errors.js';
import { BlockingPool } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv/adapter.js';
import { RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection, stopping, untilReady } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

describe("invalidations: 'queue'", () => {
  // A few at a time: they freeze their servers, and have a short timeout.
  const it = sideBySide(4);

  /** A server of its own for each spec, a client beside the store, and a store that queues. */
  async function start() {
    const server = stopping(await RedisServer.start());
    const redis = await rawClient(server);
    stopping({ stop: async () => redis.destroy() });
    const open = (options = {}) => openStore({ location: server.location, prefix: 'p', timeout: 400, invalidations: 'queue', ...options });
    return { server, redis, open };
  }

  it('keeps deletions that cannot be sent, reads their keys as missing until they are, and sends them by itself', async () => {
    const { server, redis, open } = await start();
    const store = open();
    await store.mset({ a: 1, b: 2, c: 3, d: 4 });
    server.freeze();
    await store.del('a');
    await store.mdel('b');
    expect(await cacheOf(store).writer.unlinkEach(['c'])).to.deep.equal([false]);
    expect(store.errors.map(({ code, operation }) => `${code} ${operation}`)).to.include('ERR_CONNECTION del');
    server.thaw();
    expect(await store.mget('a', 'b', 'c')).to.deep.equal([undefined, undefined, undefined]);
    expect([await store.has('a'), await store.ttl('a'), await cacheOf(store).reader.hasMany(['a', 'b'])]).to.deep.equal([
      false,
      -2,
      [false, false],
    ]);
    await until(async () => (await redis.dbSize()) === 1);
    await until(async () => (await store.get('d')) === 4);
    await store.set('a', 5);
    expect(await store.get('a')).to.equal(5);
  });

  it('keeps also what gets no connection of its pool in time', async () => {
    const { redis, open } = await start();
    const store = open({ timeout: 2000, pool: { class: BlockingPool, max: 1, timeout: 100 } });
    await store.set('k', 1);
    // Long enough for the pool to give up, and not for the deadline.
    await redis.sendCommand(['CLIENT', 'PAUSE', '800', 'ALL']);
    const busy = store.get('other');
    await store.del('k');
    expect(store.errors.map(({ cause }) => (cause as { code?: string }).code)).to.include('ERR_POOL_TIMEOUT');
    expect(await store.get('k')).to.equal(undefined);
    await busy;
    await until(async () => (await redis.dbSize()) === 0);
  });

  it('keeps nothing of a key near while its deletion waits: Redis was not asked, and tells nothing', async () => {
    const { server, redis, open } = await start();
    const store = open({ near: {}, timeout: 300 });
    await store.get('warm');
    await until(async () => {
      await store.get('warm');
      return store.stats().near.misses > 0;
    });
    await redis.set('p:k', '1');
    server.freeze();
    await store.del('k');
    expect([await store.get('k'), await store.has('k'), await store.mget('k', 'k')]).to.deep.equal([
      undefined,
      false,
      [undefined, undefined],
    ]);
    server.thaw();
    // Again and again: the deletion may be sent meanwhile.
    await until(async () => {
      await redis.set('p:k', '2');
      return (await store.get('k')) === 2;
    });
    expect(await store.has('k')).to.equal(true);
  });

  it('lets a later write win over the deletion that waits, and a deletion over the write before it', async () => {
    const { server, redis, open } = await start();
    const store = open({ breaker: false });
    await store.mset({ a: 1, b: 1 });
    server.freeze();
    await Promise.all([store.del('a'), store.del('b')]);
    server.thaw();
    await until(() => cacheOf(store).writer.set('a', 2));
    await store.mset({ b: 2 });
    await sleep(500);
    expect(await store.mget('a', 'b')).to.deep.equal([2, 2]);
    server.freeze();
    await Promise.all([store.set('a', 3), store.del('a')]);
    server.thaw();
    await until(async () => (await redis.exists('p:a')) === 0);
    expect(await store.get('a')).to.equal(undefined);
  });

  it('keeps a deletion that comes while a write or a replay of its key is under way', async () => {
    const engine = memoryCommands(10);
    let away = true;
    let answer = Promise.resolve();
    const unreached = async () => {
      if (away) throw new ConnectionError('not there');
    };
    const base: Commands = {
      ...engine,
      set: (...args) => answer.then(() => engine.set(...args)),
      unlink: (...args) => unreached().then(() => answer.then(() => engine.unlink(...args))),
    };
    const queue = new DeleteQueue(base, () => {});
    const commands = queue.over(base);
    for (const [other, reached] of [
      [() => commands.set('k', 'old', undefined), false],
      [() => queue.replay(), true],
    ] as const) {
      let open = (): void => {};
      answer = new Promise((resolve) => {
        open = resolve;
      });
      await commands.unlink(['k']);
      away = !reached;
      const underWay = other();
      await sleep(0);
      away = true;
      await commands.unlink(['k']);
      open();
      await underWay;
      expect(queue.waits('k')).to.equal(true);
      away = false;
      await queue.replay();
      expect(queue.waits('k')).to.equal(false);
      expect((await engine.get('k')).found).to.equal(false);
      away = true;
    }
    queue.stop();
  });

  it('serves no stale value to what asks first after the outage, through with() neither', async () => {
    const { server, redis, open } = await start();
    const store = open();
    await store.set('a', 'stale');
    for (let round = 0; round < 5; round++) {
      await redis.set('p:a', '"stale"');
      server.freeze();
      await store.del('a');
      server.thaw();
      for (let i = 0; i < 20; i++) {
        expect(await store.get('a')).to.equal(undefined);
        expect(await store.with({ timeout: 500 }).get('a')).to.equal(undefined);
        await sleep(5);
      }
      await until(async () => (await redis.exists('p:a')) === 0);
    }
  });

  it('deletes what a write that could not be sent was to replace', async () => {
    const { server, redis, open } = await start();
    const store = open();
    await store.mset({ a: 'old', b: 'old', c: 'kept' });
    server.freeze();
    await store.set('a', 'new');
    await store.mset({ b: 'new' });
    server.thaw();
    for (let i = 0; i < 20; i++) {
      expect(await store.get('a')).to.not.equal('old');
      expect(await store.mget('b')).to.not.deep.equal(['old']);
      await sleep(5);
    }
    await until(async () => (await redis.exists(['p:a', 'p:b'])) === 0 && (await store.get('c')) === 'kept');
  });

  it('lets what builds on the key wait for the deletion', async () => {
    const { server, open } = await start();
    const store = open();
    await store.set('a', 1);
    server.freeze();
    await store.del('a');
    expect((await rejection(store.add('a', 2))).code).to.be.oneOf(['ERR_TIMEOUT', 'ERR_CONNECTION', 'ERR_BREAKER_OPEN']);
    server.thaw();
    // One that was answered too late may have been carried out.
    await until(async () => (await store.add('a', 2).catch(() => false)) || (await store.get('a')) === 2);
    expect(await store.get('a')).to.equal(2);
  });

  it('is bounded: beyond 10 000 keys deletions fail loud, as delPattern always does', async () => {
    const { server, open } = await start();
    const store = open();
    await untilReady(store);
    server.freeze();
    await store.mdel(...Array.from({ length: 10_000 }, (_, i) => `k${i}`));
    expect(await rejection(store.del('one more'))).to.include({ operation: 'del', key: 'one more' });
    await store.del('k1');
    expect((await rejection(store.delPattern('*'))).operation).to.equal('delPattern');
  });

  it('keeps a clear too: every key reads as missing until it has run, and what is written meanwhile is no exception', async () => {
    const { server, redis, open } = await start();
    const store = open();
    await store.mset({ a: 1, b: 2 });
    server.freeze();
    await store.clear();
    expect(store.errors.at(-1)).to.include({ operation: 'clear' });
    expect(await store.mget('a', 'b')).to.deep.equal([undefined, undefined]);
    expect([await store.has('a'), await store.ttl('b')]).to.deep.equal([false, -2]);
    server.thaw();
    await until(async () => (await redis.keys('p:*')).length === 0);
    await until(async () => {
      await store.set('c', 3);
      return (await store.get('c')) === 3;
    });
    expect(await store.keys()).to.deep.equal(['c']);
  });

  it('is sent when the store is closed, or told of as lost', async () => {
    const { server, redis, open } = await start();
    const store = open();
    await store.set('a', 1);
    server.freeze();
    await store.del('a');
    server.thaw();
    await store.disconnect();
    expect(await redis.exists('p:a')).to.equal(0);
    const away = openStore({ location: `127.0.0.1:${await freePort()}`, invalidations: 'queue', timeout: 200 });
    await away.del('a');
    await away.disconnect();
    expect(away.errors.at(-1)?.message).to.equal('1 deletion that waited for Redis was never sent');
  });

  it('keeps what a replica refuses until it is a primary again', async () => {
    const { redis, open } = await start();
    const primary = stopping(await RedisServer.start(['--repl-diskless-sync-delay', '0']));
    const client = await rawClient(primary);
    await client.set('p:a', '1');
    client.destroy();
    await redis.replicaOf('127.0.0.1', primary.port);
    await until(async () => (await redis.exists('p:a')) === 1);
    const store = open();
    await until(async () => (await rejection(store.touch('x', 1))).code === 'ERR_READONLY');
    await store.del('a');
    expect([await store.get('a'), await redis.exists('p:a')]).to.deep.equal([undefined, 1]);
    await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    await until(async () => (await redis.exists('p:a')) === 0);
  });

  it('sends to the nodes of a cluster that are there what waits for them, whatever becomes of the others', async () => {
    const cluster = await RedisCluster.start();
    const store = openStore({ cluster: { rootNodes: cluster.rootNodes }, prefix: 'p', timeout: 300, invalidations: 'queue' });
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    await store.mset(Object.fromEntries(keys.map((key) => [key, 1])));
    const nodes = (await cluster.primaries()).map(({ node }) => node);
    // With all replicas, so that none takes over.
    for (const { server } of cluster.nodes) server.freeze();
    await store.mdel(...keys);
    const [gone, ...back] = nodes as [(typeof nodes)[0], ...typeof nodes];
    for (const { server } of back) server.thaw();
    await until(async () => (await Promise.all(back.map(({ redis }) => redis.dbSize()))).every((size) => size === 0));
    // Those are settled: what another client writes there now is read.
    const other = openStore({ cluster: { rootNodes: cluster.rootNodes }, prefix: 'p', timeout: 300 });
    await until(async () => {
      await Promise.all(keys.map((key) => cacheOf(other).writer.set(key, 2)));
      const read = await Promise.all(keys.map((key) => store.get(key)));
      return read.filter((value) => value === 2).length > 20;
    }, 5000);
    expect(gone.server.frozen).to.equal(true);
    gone.server.thaw();
    await store.disconnect();
    await cluster.stop();
  });

  it('tells once of what Redis forbids when it is sent, asks less often, and serves no stale value meanwhile', async () => {
    const { server, redis, open } = await start();
    await redis.sendCommand(['ACL', 'SETUSER', 'u', 'on', '>pw', '~*', '+@all']);
    const store = open({ username: 'u', password: 'pw' });
    await store.mset({ a: 1, b: 2 });
    server.freeze();
    await store.mdel('a', 'b');
    server.thaw();
    const before = store.errors.length;
    await redis.sendCommand(['ACL', 'SETUSER', 'u', '-unlink', '-del']);
    await until(() => store.errors.some(({ message }) => message.includes('NOPERM')));
    await redis.configResetStat();
    await sleep(1000);
    const refusals = store.errors.slice(before).filter(({ message }) => message.includes('NOPERM'));
    expect(refusals.length).to.be.below(3);
    const asked = Number(/cmdstat_del:calls=\d+.*rejected_calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    expect(asked).to.be.below(5);
    expect(await store.get('a')).to.equal(undefined);
    await redis.sendCommand(['ACL', 'SETUSER', 'u', '+unlink', '+del']);
    await until(async () => (await redis.dbSize()) === 0);
  });

  it('tells once of a clear that Redis refuses when it is sent, and hides keys no longer', async () => {
    const { server, redis, open } = await start();
    await redis.sendCommand(['ACL', 'SETUSER', 'u', 'on', '>pw', '~*', '+@all', '-scan']);
    const store = open({ username: 'u', password: 'pw' });
    await store.set('a', 1);
    server.freeze();
    await store.clear();
    const before = store.errors.length;
    server.thaw();
    await until(async () => (await store.get('a')) === 1);
    await sleep(500);
    const refusals = store.errors.slice(before).filter(({ code }) => code === 'ERR_UNSUPPORTED');
    expect(refusals.map(({ operation }) => operation)).to.deep.equal(['clear']);
    await store.disconnect();
    expect(store.errors.at(-1)?.message).to.not.include('never sent');
  });

  it('keeps every clear that waits, each scope once', async () => {
    const { server, redis, open } = await start();
    await redis.mSet({ 'p@1:a': '1', 'p:a': '1', 'other:a': '1' });
    const store = open();
    await untilReady(store);
    server.freeze();
    await store.clear({ version: 1 });
    await store.clear();
    await store.clear();
    server.thaw();
    await until(async () => (await redis.exists(['p@1:a', 'p:a'])) === 0);
    expect(await redis.exists('other:a')).to.equal(1);
    const away = openStore({ location: `127.0.0.1:${await freePort()}`, invalidations: 'queue', timeout: 200 });
    await away.clear({ version: 1 });
    await away.clear({ version: '1' });
    await away.disconnect();
    expect(away.errors.at(-1)?.message).to.equal('1 deletion that waited for Redis was never sent');
  });

  it('reads keys outside the scope of a clear that waits', async () => {
    const { redis, open } = await start();
    // Of several connections, for a pause of writes blocks reads behind them.
    const store = open({ pool: { class: BlockingPool, max: 4 } });
    await redis.set('p@1:a', '1');
    await store.set('a', 1);
    await redis.sendCommand(['CLIENT', 'PAUSE', '1500', 'WRITE']);
    await store.clear({ version: 1 });
    expect(store.errors.at(-1)).to.include({ operation: 'clear' });
    expect(await store.get('a')).to.equal(1);
    await until(async () => (await redis.exists('p@1:a')) === 0);
  });

  it('bounds the clears that wait: beyond 100 scopes a clear fails loud', async () => {
    const { server, open } = await start();
    const store = open({ timeout: 100 });
    await untilReady(store);
    server.freeze();
    for (let version = 0; version < 100; version++) await store.clear({ version });
    expect((await rejection(store.clear())).operation).to.equal('clear');
    await store.clear({ version: 7 });
  });

  it('finishes a clear whose caller has aborted its signal after it was told that the clear waits', async () => {
    const { server, redis, open } = await start();
    const store = open();
    await store.set('a', 1);
    const caller = new AbortController();
    server.freeze();
    await store.with({ signal: caller.signal }).clear();
    caller.abort();
    server.thaw();
    await until(async () => (await redis.exists('p:a')) === 0);
  });

  it('keeps the clear of a prefix through Keyv, and hides only keys that begin with it', async () => {
    const { server, redis } = await start();
    const adapter = closing(new KeyvRedisStore({ location: server.location, namespace: 'n', timeout: 200 }));
    const errors: unknown[] = [];
    adapter.on('error', (error) => errors.push(error));
    await adapter.set('one:a', 'old');
    await adapter.set('two:a', 'kept');
    server.freeze();
    await adapter.clear('one');
    expect(errors.at(-1)).to.include({ operation: 'clear' });
    expect(await adapter.get('one:a')).to.equal(undefined);
    server.thaw();
    await until(async () => (await redis.keys('*')).join() === 'n::two:a');
    await until(async () => (await adapter.get('two:a')) === 'kept');
    await until(() => adapter.set('one:a', 'new'));
    await until(async () => (await adapter.get('one:a')) === 'new');
  });

  it('does not let a key that Redis refuses to delete delay the others', async () => {
    const { server, redis, open } = await start();
    await redis.sendCommand(['ACL', 'SETUSER', 'u', 'on', '>pw', '~*', '+@all']);
    const store = open({ username: 'u', password: 'pw', batch: false });
    await store.mset({ 'bad:a': 1, good: 1 });
    server.freeze();
    await store.del('bad:a');
    server.thaw();
    await redis.sendCommand(['ACL', 'SETUSER', 'u', 'resetkeys', '~p:good*', '%R~p:bad*']);
    await until(() => store.errors.some(({ message }) => message.includes('NOPERM')));
    // Long enough for the wait of the refused key to grow well beyond the bound below.
    await sleep(3000);
    server.freeze();
    await store.del('good');
    server.thaw();
    const begun = performance.now();
    await until(async () => (await redis.exists('p:good')) === 0);
    expect(performance.now() - begun).to.be.below(1500);
  });

  it('tries each refused deletion at its own times, and lets a later deletion of another key go at once', async () => {
    const engine = memoryCommands(10);
    let away = true;
    const tries: string[] = [];
    const base: Commands = {
      ...engine,
      async unlink([key]) {
        if (away) throw new ConnectionError('not there');
        tries.push(String(key));
        if (String(key).startsWith('bad')) throw new PermissionError('NOPERM');
        return 1;
      },
    };
    const queue = new DeleteQueue(base, () => {});
    const commands = queue.over(base);
    await commands.unlink(['bad']);
    away = false;
    // The fourth try comes 0.8 seconds after the third.
    await until(() => tries.length === 3);
    away = true;
    await commands.unlink(['good']);
    away = false;
    await until(() => tries.includes('good'));
    expect(tries).to.deep.equal(['bad', 'bad', 'bad', 'good']);
    expect([queue.waits('good'), queue.waits('bad')]).to.deep.equal([false, true]);
    expect(queue.stop()).to.equal(1);
  });

  it('names the operation and the one key in the event of a deletion that waits, and counts it as a failure', async () => {
    const { server, open } = await start();
    const store = open();
    await untilReady(store);
    server.freeze();
    await store.del('a');
    expect(store.errors.at(-1)).to.include({ operation: 'del', key: 'a' });
    expect(store.errors.at(-1)?.message).to.match(/^the deletion of 1 key waits until Redis is back: /);
    await store.mdel('a', 'b');
    expect(store.errors.at(-1)).to.include({ operation: 'mdel' });
    expect(store.errors.at(-1)?.key).to.equal(undefined);
    expect(store.errors.at(-1)?.message).to.match(/^the deletion of 2 keys waits until Redis is back: /);
    await store.clear();
    expect(store.errors.at(-1)).to.include({ operation: 'clear' });
    const { failures } = store.stats();
    expect(failures).to.equal(store.errors.filter(({ operation }) => operation !== undefined).length);
  });

  it('names the operations of Keyv, and its key without the namespace', async () => {
    const { server } = await start();
    const adapter = closing(new KeyvRedisStore({ location: server.location, namespace: 'n', timeout: 200 }));
    const errors: unknown[] = [];
    adapter.on('error', (error) => errors.push(error));
    await untilReady(adapter);
    server.freeze();
    await adapter.delete('a');
    expect(errors.at(-1)).to.include({ operation: 'delete', key: 'a' });
    await adapter.deleteMany(['a', 'b']);
    expect(errors.at(-1)).to.include({ operation: 'deleteMany' });
  });

  it('keeps nothing that Redis refuses to do for this user', async () => {
    const { redis, open } = await start();
    await redis.sendCommand(['ACL', 'SETUSER', 'u', 'on', '>pw', '~*', '+@all', '-unlink', '-del']);
    expect((await rejection(open({ username: 'u', password: 'pw' }).del('a'))).code).to.equal('ERR_PERMISSION');
    expect(() => openStore({ invalidations: 'later' as never })).to.throw("expected `invalidations` to be 'reject' or 'queue'");
  });
});
