import { expect } from 'chai';
import { slotOf } from '../../../src/connection/slots.js';
import type { RedisStore, StoreOptions } from '../../../src/index.js';
import { type ClusterNode, pause, RedisCluster } from '../../support/cluster.js';
import { compiled } from '../../support/compiled.js';
import { cacheOf } from '../../support/internals.js';
import { timeToSettle } from '../../support/load.js';
import { openStore, rejection } from '../../support/open.js';
import { runScript } from '../../support/script.js';
import { RedisSentinels } from '../../support/sentinel.js';
import { sideBySide } from '../../support/side-by-side.js';
import { until } from '../../support/until.js';

const timeout = 1000;
const slack = 250;

interface Faulty {
  readonly cluster: RedisCluster;
  open(more?: StoreOptions): ReturnType<typeof openStore>;
  primaryOf(index: number): Promise<{ node: ClusterNode; slot: number }>;
}

const faulty = (cluster: RedisCluster, stores: RedisStore[]): Faulty => ({
  cluster,
  open(more = {}) {
    const store = openStore({ cluster: { rootNodes: cluster.rootNodes }, timeout, onFailure: 'throw', ...more });
    stores.push(store);
    return store;
  },
  async primaryOf(index) {
    const { node, slots } = (await cluster.primaries())[index] as Awaited<ReturnType<RedisCluster['primaries']>>[number];
    return { node, slot: (slots[0] as [number, number])[0] };
  },
});

/** Takes a node out of the cluster. It goes on answering: that the cluster is down. */
async function takeOut(cluster: RedisCluster, node: ClusterNode): Promise<void> {
  const others = cluster.nodes.filter((each) => each !== node);
  for (const { redis } of others) await redis.sendCommand(['CLUSTER', 'FORGET', node.id]);
  await node.redis.sendCommand(['CLUSTER', 'RESET', 'SOFT']);
}

describe('a cluster with faults', () => {
  const its = sideBySide(1);
  /** On a cluster of its own. */
  const it = (title: string, spec: (on: Faulty) => Promise<void>): void =>
    its(title, async () => {
      const cluster = await RedisCluster.start({ spare: 1 });
      const stores: RedisStore[] = [];
      try {
        await spec(faulty(cluster, stores));
      } finally {
        // Else they go on looking for it beside the specs that follow.
        await Promise.all(stores.map((store) => store.disconnect()));
        await cluster.stop();
      }
    });

  it('comes back by itself when all nodes were gone', async ({ cluster, open }) => {
    const store = open();
    await store.set('k', 1);
    for (const { server } of cluster.nodes) server.freeze();
    expect(await timeToSettle(() => rejection(store.get('k')))).to.be.below(timeout + slack);
    await pause(2500);
    for (const { server } of cluster.nodes) server.thaw();
    // After a pause they take each other for dead for a while.
    const served = cluster.served().then(() => performance.now());
    const right = (async () => {
      while ((await store.get('k').catch(() => undefined)) !== 1) await pause(20);
      return performance.now();
    })();
    const [from, back] = await Promise.all([served, right]);
    console.log(`      all nodes thawed: right again ${Math.round(back - from)} ms after every slot was served`);
    expect(back - from).to.be.below(2000);
  });

  it('fails the calls for a node that is known to be down at once', async ({ open, primaryOf }) => {
    const store = open({ breaker: false });
    await cacheOf(store).writer.setMany(Array.from({ length: 100 }, (_, i): [string, number] => [`k${i}`, i]));
    const { node } = await primaryOf(0);
    node.server.freeze();
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => store.get(`k${i}`)));
    const failed = results.flatMap(({ status }, i) => (status === 'rejected' ? [`k${i}`] : []));
    expect(failed.length).to.be.within(10, 60);
    await pause(300);
    const start = performance.now();
    await Promise.allSettled(failed.map((key) => store.get(key)));
    expect(performance.now() - start).to.be.below(500);
  });

  it('reads from the primary where the replica is gone', async ({ cluster, open }) => {
    const store = open({ readFrom: 'replica' });
    await cacheOf(store).writer.setMany(Array.from({ length: 60 }, (_, i): [string, number] => [`k${i}`, i]));
    await store.get('k1');
    for (const { server } of cluster.nodes.slice(3, 6)) await server.stop();
    for (let i = 0; i < 60; i++) expect(await store.get(`k${i}`)).to.equal(i);
  });

  it('looks again where a primary has left the cluster', async ({ cluster, open, primaryOf }) => {
    const spare = cluster.nodes[6] as ClusterNode;
    const { node, slot } = await primaryOf(0);
    const key = Array.from({ length: 1e6 }, (_, i) => `{t${i}}`).find((each) => slotOf(each) === slot) as string;
    const store = open({ keyPrefix: 'left:' });
    await store.set(key, 1);
    // A primary that gives away its last slot becomes a replica.
    for (const each of [slot, slot + 1]) await cluster.moveSlot(each, node, spare);
    expect(await store.get(key)).to.equal(1);
    // The store has found the new table once every node knows of it, and sends nothing while the slot moves back.
    const owner = async (each: ClusterNode): Promise<boolean> => {
      const slots = (await each.redis.sendCommand(['CLUSTER', 'SLOTS'])) as unknown as [number, number, [string, number]][];
      return slots.some(([from, to, [, port]]) => from <= slot && slot <= to && port === spare.port);
    };
    await until(async () => (await Promise.all(cluster.nodes.map(owner))).every(Boolean));
    await pause(1000);
    await cluster.moveSlot(slot, spare, node);
    await takeOut(cluster, spare);
    for (let i = 0; i < 5; i++) expect(await store.get(key)).to.equal(1);
    expect(await open({ keyPrefix: 'left:' }).get(key)).to.equal(1);
  });

  it('stops asking a replica that was taken out', async ({ cluster, open }) => {
    const store = open({ readFrom: 'replica' });
    await cacheOf(store).writer.setMany(Array.from({ length: 60 }, (_, i): [string, number] => [`k${i}`, i]));
    const replica = cluster.nodes[3] as ClusterNode;
    const refusals = async (): Promise<number> =>
      Number(/errorstat_CLUSTERDOWN:count=(\d+)/.exec(String(await replica.redis.info('errorstats')))?.[1] ?? 0);
    const readAll = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) expect(await store.get(`k${i}`)).to.equal(i);
    };
    await readAll();
    await takeOut(cluster, replica);
    await until(async () => {
      const before = await refusals();
      await readAll();
      return (await refusals()) === before;
    }, 2000);
  });

  it('is given up with every node when the store is disconnected, also while nodes are down', async ({ cluster, primaryOf }) => {
    const nodes = await RedisSentinels.start();
    const script = `
        const { redisStore } = require('${compiled('src/index.ts')}');
        const options = ${JSON.stringify([
          { cluster: { rootNodes: cluster.rootNodes }, readFrom: 'replica' },
          { sentinel: { name: nodes.name, sentinelRootNodes: nodes.rootNodes }, readFrom: 'replica' },
        ])};
        const stores = options.map((each) => redisStore({ ...each, timeout: 300 }));
        for (const store of stores) store.on('error', () => {});
        (async () => {
          await Promise.all(stores.map((store) => store.set('k', 1)));
          console.log('ready');
          await new Promise((resolve) => process.stdin.once('data', resolve));
          process.stdin.destroy();
          await Promise.all(stores.flatMap((store) => Array.from({ length: 50 }, (_, i) => store.get('k' + i))));
          await Promise.all(stores.map((store) => store.disconnect()));
          console.log('disconnected');
        })();`;
    const ended = await runScript(script, async () => {
      (await primaryOf(0)).node.server.freeze();
      await (await primaryOf(1)).node.server.stop();
      (await nodes.primary()).server.freeze();
      nodes.sentinels[0]?.server.freeze();
    });
    expect(ended).to.deep.equal({ code: 0, signal: null, output: 'ready\ndisconnected\n' });
    await nodes.stop();
  });

  it('survives a strategy that throws, and comes back by its own', async ({ cluster, open }) => {
    const socket = {
      reconnectStrategy: () => {
        throw new Error('no idea');
      },
    } as never;
    const store = open({ socket, breaker: false });
    await store.set('k', 1);
    for (const { server } of cluster.nodes.slice(0, 6)) server.freeze();
    await rejection(store.get('k'));
    await pause(1500);
    for (const { server } of cluster.nodes) server.thaw();
    await until(async () => (await store.get('k').catch(() => undefined)) === 1, 5000);
    expect(store.errors.some(({ message }) => message.includes('reconnectStrategy failed: no idea'))).to.equal(true);
  });

  it('reconnects by the strategy it was given', async ({ open, primaryOf }) => {
    const retries: number[] = [];
    const socket = { reconnectStrategy: (retry: number) => retries.push(retry) && 40 } as never;
    const store = open({ socket });
    await store.ready();
    const { node } = await primaryOf(0);
    await node.server.stop();
    await pause(700);
    expect(retries.length).to.be.above(5);
  });
});
