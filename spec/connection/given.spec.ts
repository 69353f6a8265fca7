import { createClientPool, createCluster, createSentinel } from '@redis/client';
import { expect } from 'chai';
import { minimalEverywhere } from '../support/acl.js';
import { pause, RedisCluster } from '../support/cluster.js';
import { sharedServer } from '../support/hooks.js';
import { openStore, rejection } from '../support/open.js';
import { RedisSentinels } from '../support/sentinel.js';

const timeout = 500;
const slack = 250;

describe('several nodes behind a client of the user’s own', () => {
  it('are left open by disconnect(), with no listener left behind', async () => {
    const pool = createClientPool({ url: sharedServer().url });
    pool.on('error', () => {});
    const before = pool.listenerCount('error');
    const store = openStore({ client: pool });
    await store.set('k', 1);
    expect(await store.get('k')).to.equal(1);
    await store.disconnect();
    expect(pool.isOpen).to.equal(true);
    expect(pool.listenerCount('error')).to.equal(before);
    expect(await pool.ping()).to.equal('PONG');
    pool.destroy();
  });

  it('hold every call to its deadline with a primary of the cluster frozen', async () => {
    const nodes = await RedisCluster.start();
    const cluster = createCluster({ rootNodes: nodes.rootNodes });
    cluster.on('error', () => {});
    const store = openStore({ client: cluster, timeout, onFailure: 'throw' });
    await store.ready();
    nodes.nodes[0]?.server.freeze();
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const start = performance.now();
    const results = await Promise.allSettled([...keys.map((key) => store.get(key)), store.reset()]);
    expect(performance.now() - start).to.be.below(timeout + slack);
    expect(results.filter(({ status }) => status === 'rejected').length).to.be.within(5, 55);
    expect(results.at(-1)?.status).to.equal('rejected');
    await store.disconnect();
    cluster.destroy();
    await nodes.stop();
  });

  it('hold every call to its deadline with the primary of the sentinels frozen', async () => {
    const nodes = await RedisSentinels.start({ minimal: minimalEverywhere && 'servers' });
    const sentinel = createSentinel({ name: nodes.name, sentinelRootNodes: nodes.rootNodes, reserveClient: true });
    sentinel.on('error', () => {});
    const store = openStore({ client: sentinel, timeout, onFailure: 'throw' });
    await store.set('k', 1);
    (await nodes.primary()).server.freeze();
    const start = performance.now();
    expect(await rejection(store.get('k'))).to.have.property('code', 'ERR_TIMEOUT');
    expect(performance.now() - start).to.be.below(timeout + slack);
    await store.disconnect();
    await pause(50);
    await sentinel.destroy();
    await nodes.stop();
  });
});
