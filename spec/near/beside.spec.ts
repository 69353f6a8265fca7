import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const pools: Record<string, StoreOptions> = { 'one connection': {}, 'a pool': { pool: { class: RoundRobinPool, size: 2 } } };
for (const [kind, options] of Object.entries(pools)) {
  describe(`near cache beside what else there is: ${kind}`, () => {
    let server: RedisServer;
    beforeEach(async () => {
      server = await RedisServer.start();
    });
    afterEach(async () => {
      server.thaw();
      await server.stop();
    });
    const open = (more: StoreOptions = {}) =>
      openStore({ location: server.location, prefix: 'p', timeout: 300, near: { max: 100 }, ...options, ...more });

    it('decodes what is encrypted, and keeps the bytes as they are in Redis', async () => {
      const store = open({ encryption: { keys: [{ id: 'k1', key: randomBytes(32) }] } });
      await store.set('k', { a: 1 });
      await until(async () => (await store.get('k')) !== undefined);
      for (let i = 0; i < 3; i++) expect(await store.get('k')).to.deep.equal({ a: 1 });
      expect(store.errors).to.deep.equal([]);
    });

    it('tells the truth again after the server was frozen and its connection replaced', async () => {
      const store = open();
      await store.set('k', 1);
      await until(async () => (await store.get('k')) === 1);
      const redis = await rawClient(server);
      server.freeze();
      await sleep(1500);
      await store.get('other');
      await sleep(500);
      expect(await store.get('k')).to.equal(undefined);
      server.thaw();
      await redis.set('p:k', '2');
      await until(async () => (await store.get('k')) === 2);
      await redis.set('p:k', '3');
      await until(async () => (await store.get('k')) === 3);
      redis.destroy();
    });

    it('reads as missing what waits to be deleted', async () => {
      const store = open({ invalidations: 'queue' });
      await store.set('k', 'old');
      await until(async () => (await store.get('k')) === 'old');
      server.freeze();
      await store.del('k');
      server.thaw();
      const redis = await rawClient(server);
      for (let i = 0; i < 100; i++) {
        expect(await store.get('k')).to.equal(undefined);
        await sleep(2);
      }
      await until(async () => (await redis.exists('p:k')) === 0);
      redis.destroy();
    });

    it('is not passed by with bounds of the caller’s own', async () => {
      const store = open();
      await store.set('k', 1);
      await until(async () => (await store.get('k')) === 1);
      await cacheOf(store.with({ timeout: 200 })).writer.set('k', 2);
      expect(await store.get('k')).to.equal(2);
      expect(await store.with({ timeout: 200 }).get('k')).to.equal(2);
    });
  });
}
