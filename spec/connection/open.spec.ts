import type { EventEmitter } from 'node:events';
import { createClientPool, createCluster, createSentinel } from '@redis/client';
import { expect } from 'chai';
import { minimalEverywhere } from '../support/acl.js';
import { pause, RedisCluster } from '../support/cluster.js';
import { sharedServer } from '../support/hooks.js';
import { timed } from '../support/load.js';
import { openStore, rejection } from '../support/open.js';
import { RedisSentinels } from '../support/sentinel.js';

const timeout = 500;
const slack = 250;

/** How many listeners there are, by event. */
const listeners = (client: unknown): Record<string, number> => {
  const emitter = client as EventEmitter;
  return Object.fromEntries(emitter.eventNames().map((event) => [String(event), emitter.listenerCount(event)]));
};

describe('several nodes behind a client of the user’s own', () => {
  it('are left open by disconnect(), with no listener left behind', async () => {
    const pool = createClientPool({ url: sharedServer().url });
    pool.on('error', () => {});
    const before = listeners(pool);
    const store = openStore({ client: pool });
    await store.set('k', 1);
    expect(await store.get('k')).to.equal(1);
    await store.disconnect();
    expect(pool.isOpen).to.equal(true);
    expect(listeners(pool)).to.deep.equal(before);
    expect(await pool.ping()).to.equal('PONG');
    pool.destroy();
  });

  it('hold every call to its deadline with a primary of the cluster frozen', async () => {
    const nodes = await RedisCluster.start();
    const cluster = createCluster({ rootNodes: nodes.rootNodes });
    cluster.on('error', () => {});
    const before = listeners(cluster);
    const store = openStore({ client: cluster, timeout, onFailure: 'throw' });
    await store.ready();
    nodes.nodes[0]?.server.freeze();
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const { value: results, took } = await timed(() => Promise.allSettled([...keys.map((key) => store.get(key)), store.reset()]));
    expect(took).to.be.below(timeout + slack);
    expect(results.filter(({ status }) => status === 'rejected').length).to.be.within(5, 55);
    expect(results.at(-1)?.status).to.equal('rejected');
    await store.disconnect();
    expect(listeners(cluster)).to.deep.equal(before);
    cluster.destroy();
    await nodes.stop();
  });

  it('hold every call to its deadline with the primary of the sentinels frozen', async () => {
    const nodes = await RedisSentinels.start({ minimal: minimalEverywhere && 'servers' });
    const sentinel = createSentinel({ name: nodes.name, sentinelRootNodes: nodes.rootNodes, reserveClient: true });
    sentinel.on('error', () => {});
    const before = listeners(sentinel);
    const store = openStore({ client: sentinel, timeout, onFailure: 'throw' });
    await store.set('k', 1);
    (await nodes.primary()).server.freeze();
    const { value: error, took } = await timed(() => rejection(store.get('k')));
    expect(error).to.have.property('code', 'ERR_TIMEOUT');
    expect(took).to.be.below(timeout + slack);
    await store.disconnect();
    expect(listeners(sentinel)).to.deep.equal(before);
    await pause(50);
    await sentinel.destroy();
    await nodes.stop();
  });
});
