import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { slotOf } from '../../src/connection/slots.js';
import { createPool, type RedisStore, type StoreOptions } from '../../src/index.js';
import { RedisCluster } from '../support/cluster.js';
import { NarrowProxy } from '../support/narrow-proxy.js';
import { closing, openStore, rejection, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { sideBySide } from '../support/side-by-side.js';
import { until } from '../support/until.js';

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'our own parser': { parser: 'auto' } };

const burst = (store: Pick<RedisStore, 'set'>): Promise<unknown>[] =>
  Array.from({ length: 30 }, (_, i) => store.set(`k${i}`, Buffer.alloc(100_000, 1)));

for (const [kind, options] of Object.entries(kinds)) {
  describe(`a connection that is ended because the network takes no more: ${kind}`, () => {
    let server: RedisServer;
    const it = sideBySide();
    before(async () => {
      server = await RedisServer.start();
    });
    after(() => server.stop());

    it('sends nothing later of a call that its store has given up before the pool does', async () => {
      const other = await RedisServer.start();
      const proxy = stopping(await NarrowProxy.start(other.port, Number.POSITIVE_INFINITY));
      stopping(other);
      const pool = createPool({ location: proxy.location, timeout: 20_000, ...options });
      closing({ disconnect: () => pool.close(0) });
      const store = openStore({ pool, timeout: 300, prefix: 'p' });
      await store.set('first', 1);
      await sleep(200);
      proxy.rate = 0;
      const given = proxy.passed;
      expect(await Promise.all([store.set('large', Buffer.alloc(30_000_000, 1)), store.set('behind', 1)])).to.deep.equal([false, false]);
      proxy.rate = Number.POSITIVE_INFINITY;
      await until(() => store.set('later', 1));
      await sleep(500);
      expect(proxy.passed - given).to.be.below(20_000_000);
      expect(await store.has('behind')).to.equal(false);
    });

    it('is a connection that was lost for what it has sent: a lock that Redis takes later is released', async () => {
      // A unix socket takes 200 kB: less than may be without an answer, however busy the machine is.
      const store = openStore({ location: server.unixSocket, prefix: 'p', timeout: 5000, ...options });
      await (await store.lock('x')).release();
      server.freeze();
      const failed = rejection(store.lock('x', { ttl: 60_000 }));
      await sleep(100);
      await Promise.all(burst(store.with({ timeout: 200 })));
      expect((await failed).code).to.equal('ERR_CONNECTION');
      server.thaw();
      await until(() =>
        store.lock('x').then(
          (lock) => lock.release().then(() => true),
          () => false,
        ),
      );
    });
  });
}

describe('a node of a cluster that takes no more', () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await RedisCluster.start();
  });
  after(() => cluster.stop());

  it('stores nothing later of a call that has failed, although another node took its part', async () => {
    const primaries = await cluster.primaries();
    const proxies = await Promise.all(
      primaries.map(async ({ node }) => stopping(await NarrowProxy.start(node.port, Number.POSITIVE_INFINITY))),
    );
    const nodeAddressMap = Object.fromEntries(
      primaries.map(({ node }, i) => [`127.0.0.1:${node.port}`, { host: '127.0.0.1', port: proxies[i]?.port as number }]),
    );
    const [prefix, rootNodes] = ['p', cluster.rootNodes];
    const store = openStore({ cluster: { rootNodes, nodeAddressMap }, prefix, timeout: 500, onFailure: 'throw' });
    const own = openStore({ cluster: { rootNodes }, prefix });
    const keyOf = (index: number): string => {
      const [from, to] = (primaries[index] as (typeof primaries)[number]).slots[0] as [number, number];
      for (let i = 0; ; i++) {
        const slot = slotOf(`p:k${i}`);
        if (from <= slot && slot <= to) return `k${i}`;
      }
    };
    const [large, small] = [keyOf(0), keyOf(1)];
    await Promise.all([
      store.mset([
        [large, 1],
        [small, 1],
      ]),
      own.set('first', 1),
    ]);
    await store.del(large);
    const stuck = proxies[0] as NarrowProxy;
    // Until it is known that nothing is without an answer.
    await sleep(300);
    const before = stuck.passed;
    stuck.rate = 0;
    await rejection(
      store.mset([
        [large, Buffer.alloc(30_000_000, 1)],
        [small, 2],
      ]),
    );
    stuck.rate = Number.POSITIVE_INFINITY;
    await until(() =>
      store.set(`${large}`, 'later').then(
        () => true,
        () => false,
      ),
    );
    await sleep(500);
    expect(stuck.passed - before).to.be.below(20_000_000);
  });
});
