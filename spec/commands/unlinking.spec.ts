import { expect } from 'chai';
import { slotOf } from '../../src/connection/slots.js';
import { type CacheError, ConnectionError, PermissionError, type StoreOptions } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { type ClusterNode, pause, RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection, stopping } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

const prefix = 'many';
const keys = Array.from({ length: 3000 }, (_, i) => `k${i}`);

describe('a deletion of many keys', () => {
  let cluster: RedisCluster;
  let node: ClusterNode;
  let isOnNode: (key: string) => boolean;
  const open = (more: StoreOptions = {}) =>
    openStore({ cluster: { rootNodes: cluster.rootNodes }, prefix, timeout: 1000, onFailure: 'throw', breaker: false, ...more });
  const left = async (store: ReturnType<typeof open>, some: readonly string[]): Promise<number> =>
    (await Promise.all(some.map((key) => store.has(key)))).filter(Boolean).length;

  before(async () => {
    cluster = await RedisCluster.start();
    // A node that is gone stays gone: no replica takes its place.
    await Promise.all(cluster.nodes.map(({ redis }) => redis.sendCommand(['CONFIG', 'SET', 'cluster-node-timeout', '60000'])));
  });
  after(() => cluster.stop());
  beforeEach(async () => {
    const [first] = await cluster.primaries();
    node = first?.node as ClusterNode;
    isOnNode = (key) => first?.slots.some(([from, to]) => slotOf(`${prefix}:${key}`) >= from && slotOf(`${prefix}:${key}`) <= to) ?? false;
    await cacheOf(open()).writer.setMany(keys.map((key) => [key, 1]));
  });
  // The same node, as it was: with its slots, and without its keys.
  afterEach(async () => {
    if (node.server.ended) await node.server.restart(['--cluster-node-timeout', '60000']);
    else node.server.thaw();
    await until(() => cluster.whole(), 20_000);
  });

  const faults: Record<string, () => unknown> = {
    frozen: () => node.server.freeze(),
    killed: () => node.server.kill(),
  };
  for (const [what, fault] of Object.entries(faults)) {
    it(`reaches all nodes that are there, and names the keys of one that is ${what}`, async () => {
      const store = open();
      await store.ready();
      await fault();
      const start = performance.now();
      const error = await rejection(store.mdel(...keys));
      // A deadline for the first thousand keys, and one for all others.
      expect(performance.now() - start).to.be.below(2 * 1000 + 1500);
      const missed = keys.filter(isOnNode);
      expect(missed.length).to.be.within(500, 1500);
      expect(error).to.include({ operation: 'mdel' });
      expect([...(error.keys ?? [])].sort()).to.deep.equal([...missed].sort());
      expect(store.errors.at(-1)).to.equal(error);
      const others = keys.filter((key) => !isOnNode(key));
      expect(await left(store, others)).to.equal(0);
      if (what === 'killed') return;
      node.server.thaw();
      await until(async () => (await rejection(store.mdel(...missed)).catch(() => undefined)) === undefined, 20_000);
      expect(await left(store, missed)).to.equal(0);
    });

    it(`of Keyv does so too, where its failures are thrown, and one node is ${what}`, async () => {
      const keyv = closing(
        createKeyv({
          cluster: { rootNodes: cluster.rootNodes },
          namespace: 'n',
          timeout: 1000,
          breaker: false,
          onFailure: 'throw',
        } as never),
      );
      // biome-ignore lint/suspicious/noExplicitAny: its own method
      const adapter = (keyv as any).store ?? (keyv as any).opts.store;
      const some = keys.slice(0, 100);
      await Promise.all(some.map((key) => keyv.set(key, 1)));
      await fault();
      const error = await rejection<CacheError>(adapter.deleteMany(some));
      const names = some.filter((key) => {
        const slot = slotOf(`n::${key}`);
        return slot <= 5461;
      });
      expect(error).to.include({ operation: 'deleteMany' });
      expect(error.keys).to.have.members(names);
    });

    it(`waits for one that is ${what} where deletions wait, with the keys of that node only`, async () => {
      const store = open({ invalidations: 'queue', onFailure: 'miss' });
      await store.ready();
      await fault();
      await store.mdel(...keys);
      const missed = keys.filter(isOnNode);
      const waiting = store.errors.filter(({ operation }) => operation === 'mdel').at(-1) as CacheError;
      expect(waiting).to.be.instanceOf(ConnectionError);
      expect(waiting.message).to.contain(`the deletion of ${missed.length} keys waits`);
      expect(await left(store, keys)).to.equal(0);
      const fresh = open();
      const others = keys.filter((key) => !isOnNode(key));
      expect(await left(fresh, others)).to.equal(0);
      // A key that was deleted can be written at once.
      await store.set(others[0] as string, 2);
      expect(await store.get(others[0] as string)).to.equal(2);
      if (what === 'killed') return;
      node.server.thaw();
      await until(async () => (await left(fresh, missed).catch(() => 1)) === 0, 20_000);
    });
  }
});

describe('a deletion of many keys on one server', () => {
  it('names all of them if the server is away, and none of a single one', async () => {
    const store = openStore({ location: `127.0.0.1:${await freePort()}`, breaker: false });
    const error = await rejection(store.mdel('a', 'b'));
    expect(error.keys).to.deep.equal(['a', 'b']);
    expect(await rejection(store.del('a'))).to.not.have.property('keys');
    const [one, two] = await Promise.all([rejection(store.del('a')), rejection(store.del('b'))]);
    for (const single of [one, two]) expect(single).to.not.have.property('keys');
    expect([one.key, two.key]).to.deep.equal(['a', 'b']);
  });

  it('names the keys of the batch that failed and of those that were not tried', async () => {
    const server = stopping(await RedisServer.start());
    const store = openStore({ location: server.location, timeout: 500, prefix, breaker: false });
    await cacheOf(store).writer.setMany(keys.map((key) => [key, 1]));
    await pause(100);
    server.freeze();
    const error = await rejection(store.mdel(...keys));
    expect(error.keys).to.deep.equal(keys);
    server.thaw();
  });

  it('names those whose deletion the ACL forbids', async () => {
    const server = stopping(await RedisServer.start(['--user', 'one', 'on', '>pw', '~p:a', '+@all']));
    const store = openStore({ location: `redis://one:pw@${server.location}`, prefix: 'p' });
    const error = await rejection(store.mdel('a', 'b'));
    expect(error).to.be.instanceOf(PermissionError);
    expect(error.keys).to.deep.equal(['a', 'b']);
  });
});
