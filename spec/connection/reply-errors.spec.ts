import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RedirectError, type StoreOptions, TooManyClientsError } from '../../src/index.js';
import { RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { openStore, rejection, stopping } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'a direct connection': { parser: 'auto' } };
for (const [kind, options] of Object.entries(kinds)) {
  describe(`refusals of Redis: ${kind}`, () => {
    const it = sideBySide(5);

    async function on(args: readonly string[], more: StoreOptions = {}) {
      const server = stopping(await RedisServer.start(args));
      const store = openStore({ location: server.location, ...options, ...more });
      return { server, store };
    }

    it('OOM: a write is not stored and says why; reads and deletions go on', async () => {
      const { store } = await on(['--maxmemory', '2mb', '--maxmemory-policy', 'noeviction']);
      await store.set('small', 1);
      for (let i = 0; i < 40; i++) await store.set(`k${i}`, 'x'.repeat(100_000));
      expect(store.errors.at(-1)).to.include({ code: 'ERR_OUT_OF_MEMORY', name: 'OutOfMemoryError', operation: 'set' });
      expect(await store.get('small')).to.equal(1);
      // What could not be replaced is gone rather than stale.
      await store.set('small', 'x'.repeat(100_000));
      expect(await store.get('small')).to.equal(undefined);
      await store.mset({ k0: 'y'.repeat(100_000) });
      expect(await store.get('k0')).to.equal(undefined);
      expect(await rejection(store.add('l', 'x'.repeat(100_000)))).to.include({ code: 'ERR_OUT_OF_MEMORY' });
      await store.del('small');
      expect(store.breaker).to.equal('closed');
    });

    it('READONLY: on a replica writes say so, and reads go on', async () => {
      // Without the five seconds in which it waits for more replicas.
      const primary = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
      const { store } = await on(['--replicaof', `127.0.0.1 ${primary.port}`], { prefix: 'p' });
      const redis = await rawClient(primary);
      await redis.set('p:k', '1');
      await until(async () => (await store.get('k')) === 1);
      await store.set('l', 2);
      expect(store.errors.at(-1)).to.include({ code: 'ERR_READONLY', name: 'ReadOnlyError' });
      expect(await rejection(store.del('k'))).to.include({ code: 'ERR_READONLY', operation: 'del', key: 'k' });
      redis.destroy();
      await primary.stop();
    });

    it('READONLY: many of them in one answer do not affect other calls', async () => {
      const primary = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
      const { store } = await on(['--replicaof', `127.0.0.1 ${primary.port}`], { prefix: 'p', batch: false });
      const redis = await rawClient(primary);
      const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
      for (const [i, key] of keys.entries()) await redis.set(`p:${key}`, String(i));
      await until(async () => (await store.get('k49')) === 49);
      for (let round = 0; round < 3; round++) {
        await Promise.all(keys.map((key) => store.set(key, 'refused')));
        const values = await Promise.all(keys.map((key) => store.get(key)));
        for (const [i, value] of values.entries()) expect(value).to.be.oneOf([i, undefined]);
        await until(async () => (await store.get('k7')) === 7);
        expect(await Promise.all(keys.map((key) => store.get(key)))).to.deep.equal(keys.map((_, i) => i));
      }
      redis.destroy();
      await primary.stop();
    });

    it('READONLY: where the name leads to a new primary by now, the connection is replaced and writes go there', async () => {
      const { server: old } = await on([]);
      const next = await RedisServer.start();
      let target = old.port;
      const name = createServer((near) => {
        const far = connect(target, '127.0.0.1');
        near
          .on('error', () => {})
          .pipe(far.on('error', () => {}))
          .pipe(near);
      }).listen(0, '127.0.0.1');
      await sleep(20);
      const store = openStore({ location: `127.0.0.1:${(name.address() as AddressInfo).port}`, prefix: 'p', ...options });
      await store.set('k', 'old');
      const redis = await rawClient(old);
      await redis.replicaOf('127.0.0.1', next.port);
      target = next.port;
      await until(() => cacheOf(store).writer.set('k', 'new'));
      const fresh = await rawClient(next);
      expect(await fresh.get('p:k')).to.equal('"new"');
      expect(await store.get('k')).to.equal('new');
      // The connection that has taken over comes back like any other.
      for (let time = 0; time < 3; time++) {
        await fresh.clientKill({ filter: 'TYPE', type: 'normal' });
        await until(async () => (await store.get('k')) === 'new');
      }
      await store.disconnect();
      redis.destroy();
      fresh.destroy();
      name.close();
      await next.stop();
    });

    it('READONLY: a new primary that never shakes hands holds nothing open', async () => {
      const { server: old } = await on([]);
      const open = new Set<Socket>();
      let swallow = false;
      let swallowed = 0;
      const name = createServer((near) => {
        open.add(near.on('error', () => {}).on('close', () => open.delete(near)));
        if (swallow) {
          swallowed++;
          return void near.resume();
        }
        near.pipe(connect(old.port, '127.0.0.1').on('error', () => {})).pipe(near);
      }).listen(0, '127.0.0.1');
      await sleep(20);
      const location = `127.0.0.1:${(name.address() as AddressInfo).port}`;
      const stores = [0, 1].map(() => openStore({ location, timeout: 1000, onFailure: 'throw', ...options }));
      const [staying, leaving] = stores as [(typeof stores)[0], (typeof stores)[0]];
      await Promise.all([staying.set('k', 1), leaving.set('k', 1)]);
      const redis = await rawClient(old);
      await redis.replicaOf('127.0.0.1', 1);
      swallow = true;
      expect((await rejection(leaving.set('k', 2))).code).to.equal('ERR_READONLY');
      await until(() => swallowed === 1);
      await leaving.disconnect();
      await until(() => open.size === 1);
      expect((await rejection(staying.set('k', 2))).code).to.equal('ERR_READONLY');
      await until(() => swallowed === 2);
      if (!options.parser) await until(() => open.size === 1);
      await staying.disconnect();
      await until(() => open.size === 0);
      redis.destroy();
      name.close();
    });

    it('MISCONF and NOREPLICAS: writes are refused, reads go on', async () => {
      const { server, store } = await on(['--min-replicas-to-write', '1']);
      await store.set('k', 1);
      expect(store.errors.at(-1)).to.include({ code: 'ERR_WRITE_REFUSED', name: 'WriteRefusedError' });
      const redis = await rawClient(server);
      await redis.configSet('min-replicas-to-write', '0');
      await store.set('k', 1);
      // What stands in the way of the dump makes saving fail, for root too.
      mkdirSync(join(server.folder, 'dump.rdb'));
      await redis.configSet('save', '3600 1');
      await redis.sendCommand(['BGSAVE']);
      await until(async () => /rdb_last_bgsave_status:err/.test(await redis.info('persistence')));
      await store.set('k', 2);
      expect(store.errors.at(-1)).to.include({ code: 'ERR_WRITE_REFUSED' });
      expect(store.errors.at(-1)?.message).to.contain('MISCONF');
      expect(await store.get('k')).to.equal(1);
      redis.destroy();
    });

    it('NOPERM: what the ACL forbids fails as the policy says', async () => {
      const { server } = await on(['--user', 'reader', 'on', '>pw', '~*', '+get', '+ping', '+hello', '+client', '+select', '+auth']);
      const store = openStore({ location: `redis://reader:pw@${server.location}`, ...options });
      expect(await store.get('k')).to.equal(undefined);
      expect(store.errors).to.deep.equal([]);
      await store.set('k', 1);
      expect(store.errors.at(-1)).to.include({ code: 'ERR_PERMISSION', name: 'PermissionError', operation: 'set' });
      expect((await rejection(store.del('k'))).code).to.equal('ERR_PERMISSION');
    });

    it('NOPERM: a write that the ACL forbids takes the old entry with it, if a deletion is allowed', async () => {
      const { server } = await on(['--user', 'deleter', 'on', '>pw', '~*', '+@all', '-set']);
      const prefix = 'refused';
      const admin = openStore({ location: server.location, prefix });
      await admin.mset({ k: 'old', l: 'old' });
      const deleter = openStore({ location: `redis://deleter:pw@${server.location}`, prefix, ...options });
      await deleter.set('k', 'new');
      await deleter.mset({ l: 'new' });
      expect(deleter.errors.map(({ code }) => code)).to.deep.equal(['ERR_PERMISSION', 'ERR_PERMISSION']);
      expect(await admin.mget('k', 'l')).to.deep.equal([undefined, undefined]);
    });

    it('NOAUTH and WRONGPASS: ready() says so, reads are misses, and attempts are few', async () => {
      const { server } = await on(['--requirepass', 'right']);
      for (const [location, word] of [
        [server.location, 'NOAUTH'],
        [`redis://:wrong-secret@${server.location}`, 'WRONGPASS'],
      ] as const) {
        const store = openStore({ location, ...options });
        // Without a password RESP 2 only learns of it with the first command.
        const error = await rejection(store.ready().then(() => store.del('k')));
        expect(error).to.include({ code: 'ERR_AUTH', name: 'AuthenticationError' });
        expect(error.message).to.contain(word).and.not.contain('wrong-secret');
        expect(await store.get('k')).to.equal(undefined);
        // Its attempts are not counted below.
        await store.disconnect();
      }
      const redis = await rawClient({ ...server, url: `redis://:right@${server.location}` } as RedisServer);
      const attempts = async () => Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))?.[1]);
      const before = await attempts();
      const store = openStore({ location: `redis://:wrong@${server.location}`, ...options });
      for (const end = performance.now() + 1000; performance.now() < end; await sleep(10)) await store.get('k');
      expect(await attempts()).to.be.below(before + 4);
      redis.destroy();
    });

    it('max number of clients: says so, and goes on when there is room', async () => {
      const { server } = await on(['--maxclients', '1']);
      const redis = await rawClient(server);
      const store = openStore({ location: server.location, ...options });
      // A direct connection without a password shakes no hands, and learns of it with the first command.
      const error = await rejection(store.ready().then(() => store.del('k')));
      expect(error).to.be.instanceOf(TooManyClientsError).and.include({ code: 'ERR_MAX_CLIENTS', name: 'TooManyClientsError' });
      redis.destroy();
      await until(() => cacheOf(store).writer.set('k', 1));
    });

    it('LOADING: misses while the server loads, and values afterwards without help', async () => {
      const port = await freePort();
      const first = await RedisServer.start([], port);
      const filling = await rawClient(first);
      await filling.eval("for i = 1, 3000 do redis.call('SET', 'p:' .. i, i) end", {});
      await filling.sendCommand(['SAVE']);
      const folder = mkdtempSync(join(tmpdir(), 'redis-tier-load-'));
      copyFileSync(`${first.folder}/dump.rdb`, `${folder}/dump.rdb`);
      filling.destroy();
      await first.stop();
      const { server } = await on(['--dir', folder, '--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024']);
      const store = openStore({ location: server.location, prefix: 'p', ...options });
      const codes = new Set<string>();
      store.on('error', ({ code }) => codes.add(code));
      await until(async () => (await store.get('7')) === 7);
      expect([...codes].filter((code) => !['ERR_UNAVAILABLE', 'ERR_BREAKER_OPEN', 'ERR_CONNECTION'].includes(code))).to.deep.equal([]);
      expect(codes.size).to.be.above(0);
      rmSync(folder, { recursive: true });
    });

    it('BUSY: a script that does not end makes misses, and is over when it is', async () => {
      const { server, store } = await on(['--lua-time-limit', '50']);
      await store.set('k', 1);
      const redis = await rawClient(server);
      redis.eval('while true do end', {}).catch(() => {});
      await sleep(200);
      expect(await store.get('k')).to.equal(undefined);
      expect(store.errors.at(-1)).to.include({ code: 'ERR_UNAVAILABLE', name: 'UnavailableError' });
      const killer = await rawClient(server).catch(() => undefined);
      await killer?.sendCommand(['SCRIPT', 'KILL']);
      await until(async () => (await store.get('k')) === 1);
      killer?.destroy();
      redis.destroy();
    });

    it('MOVED and CROSSSLOT: the store is told of one node and was not told of a cluster', async () => {
      const cluster = await RedisCluster.start();
      const store = openStore({ location: `127.0.0.1:${cluster.nodes[0]?.port}`, onFailure: 'throw', batch: false, ...options });
      const outcomes = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => store.get(`k${i}`)));
      const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      // About two thirds of the slots are of the other primaries.
      expect(refused.length).to.be.within(20, 59);
      for (const error of refused) {
        expect(error).to.be.instanceOf(RedirectError).and.include({ code: 'ERR_REDIRECT', operation: 'get' });
        expect(error.message).to.match(/^Redis answered: MOVED \d+ /);
      }
      const crossed = await rejection(cacheOf(store).writer.unlinkCounted(['a', 'b', 'c']));
      expect(crossed).to.be.instanceOf(RedirectError).and.include({ code: 'ERR_REDIRECT' });
      expect(crossed.message).to.contain('CROSSSLOT');
      expect(store.breaker).to.equal('closed');
      await store.disconnect();
      await cluster.stop();
    });

    it('a value over proto-max-bulk-len: is not stored and says why, and the connection comes back', async () => {
      const { store } = await on(['--proto-max-bulk-len', '1mb'], { timeout: 5000 });
      await store.set('k', 1);
      // Redis says why and ends the connection in the middle of the value: the end may be seen first, and is no other error then.
      const refused = () => store.errors.filter(({ operation }) => operation === 'set');
      await until(async () => {
        await store.set('large', 'x'.repeat(2_000_000));
        return refused().at(-1)?.code === 'ERR_TOO_LARGE';
      });
      expect(refused().at(-1)).to.include({ name: 'TooLargeError', key: 'large' });
      for (const { code } of refused().slice(0, -1)) expect(code).to.be.oneOf(['ERR_CONNECTION', 'ERR_BREAKER_OPEN']);
      await until(async () => (await store.get('k')) === 1);
      // What it was to replace is deleted over the next connection.
      await until(async () => {
        await store.set('k', 1);
        const before = refused().length;
        await store.set('k', 'x'.repeat(2_000_000));
        return refused().length === before + 1 && refused().at(-1)?.code === 'ERR_TOO_LARGE';
      });
      await store.ready();
      expect(await store.get('k')).to.equal(undefined);
    });
  });
}
