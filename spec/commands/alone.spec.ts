import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { admin, adminRules } from '../support/acl.js';
import { openStore, rejection, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';
import { commandStats, rawClient } from '../support/wire.js';

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'a direct connection': { parser: 'auto' } };

/** A server whose rules change, with a store on it, and a client that may do everything. */
async function open(options: StoreOptions) {
  const server = stopping(await RedisServer.start(['--user', admin.username, ...adminRules]));
  const redis = await rawClient({ url: Object.assign(new URL(server.url), admin).href });
  const store = openStore({ location: server.location, prefix: 'p', timeout: 2000, ...options });
  const allow = (...rules: string[]) => redis.sendCommand(['ACL', 'SETUSER', 'default', ...rules]);
  return { server, redis, store, allow };
}

for (const [kind, options] of Object.entries(kinds))
  describe(`a call of one command over ${kind}`, () => {
    const it = sideBySide();

    it('does otherwise within the same call once the command is refused that was answered before', async () => {
      const { redis, store, allow } = await open(options);
      await store.set('k', 1);
      await store.del('k');
      await store.set('k', 1);
      await allow('-unlink');
      await store.del('k');
      expect(await store.has('k')).to.equal(false);
      const { unlink = 0, del = 0 } = await commandStats(redis);
      expect({ unlink, del }).to.deep.equal({ unlink: 1, del: 1 });
      // From now on it is not tried any more.
      await store.del('k');
      expect((await commandStats(redis))['del']).to.equal(2);
      expect(store.errors).to.deep.equal([]);
    });

    it('sends the source of a script that the server has forgotten, or whose digest is refused', async () => {
      const { redis, store, allow } = await open(options);
      expect(await store.incr('n', 1, { initial: 0 })).to.equal(1);
      await redis.sendCommand(['SCRIPT', 'FLUSH']);
      expect(await store.incr('n')).to.equal(2);
      await allow('-evalsha');
      expect(await store.incr('n')).to.equal(3);
      expect(await store.incr('n')).to.equal(4);
      await allow('-eval');
      expect((await rejection(store.incr('n'))).code).to.equal('ERR_UNSUPPORTED');
      expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_UNSUPPORTED']);
    });

    it('has one deadline for what it sends first and what it sends instead', async () => {
      const { redis, store, allow } = await open({ ...options, timeout: 400 });
      await store.del('k');
      await allow('-unlink');
      // Rules are looked at before a pause, so UNLINK is refused at once, and DEL waits.
      await redis.sendCommand(['CLIENT', 'PAUSE', '5000', 'ALL']);
      const began = performance.now();
      expect((await rejection(store.del('k'))).code).to.equal('ERR_TIMEOUT');
      expect(performance.now() - began).to.be.below(2000);
      await redis.sendCommand(['CLIENT', 'UNPAUSE']);
    });
  });

for (const [kind, options] of Object.entries(kinds))
  describe(`mset over ${kind}`, () => {
    const it = sideBySide();
    const entries = { a: 1, b: 2, c: 3 };

    it('stores what Redis takes, and says of each other entry why not', async () => {
      const { redis, store, allow } = await open(options);
      await store.ready();
      await allow('resetkeys', '~p:[ac]', '~p#*');
      await store.mset(entries);
      expect(await redis.mGet(['p:a', 'p:b', 'p:c'])).to.deep.equal(['1', null, '3']);
      expect(store.errors.filter(({ operation }) => operation === 'mset').map(({ code, key }) => [code, key])).to.deep.equal([
        ['ERR_PERMISSION', 'b'],
      ]);
      expect(store.stats().breaker.opened).to.equal(0);
    });

    it('that is lost with its connection counts as a failure of Redis', async () => {
      const { server, store } = await open({ ...options, breaker: { threshold: 1 } });
      await store.ready();
      server.freeze();
      const writing = store.mset(entries);
      await server.stop();
      await writing;
      expect(store.stats().breaker.opened).to.equal(1);
    });

    it('to which Redis answers only that it cannot serve counts as one, too', async () => {
      const { server, redis, store } = await open({ ...options, breaker: { threshold: 1 } });
      await store.ready();
      await redis.configSet('busy-reply-threshold', '1');
      const busy = redis.eval('while true do end').catch(() => {});
      const beside = await rawClient({ url: Object.assign(new URL(server.url), admin).href });
      await until(() => store.mset(entries).then(() => store.stats().breaker.opened > 0));
      expect(new Set(store.errors.map(({ code }) => code))).to.include('ERR_UNAVAILABLE');
      await beside.sendCommand(['SCRIPT', 'KILL']);
      await busy;
      beside.destroy();
    });
  });
