import { setTimeout as sleep } from 'node:timers/promises';
import slotOf from 'cluster-key-slot';
import { type ClusterNode, RedisCluster } from '../cluster.js';
import type { RedisServer } from '../redis.js';
import { all, aside, badNetworks, type Fault, killClients, Nodes } from './nodes.js';
import type { Random } from './random.js';
import { nearStaleness, type Topology, type TopologyKind } from './topology.js';

/** The cluster may replace a primary meanwhile, by a replica that has not heard of everything. */
const replacing: Record<string, Fault<Cluster>> = {
  async 'a primary is frozen'(it, random) {
    const { node, slot } = await it.primary(random);
    node.server.freeze();
    return async () => {
      await it.cluster.promoted(slot, node);
      node.server.thaw();
    };
  },
  async 'a primary is dead'(it, random) {
    const { node, slot } = await it.primary(random);
    await node.server.kill();
    return async () => {
      await it.cluster.promoted(slot, node);
      it.later(() => node.server.restart());
    };
  },
  async 'a primary is restarted without its data'(it, random) {
    const { node } = await it.primary(random);
    await node.server.restart();
    return () => it.cluster.served();
  },
  async 'all nodes are frozen'(it) {
    for (const { server } of it.cluster.nodes) server.freeze();
    return () => {
      for (const { server } of it.cluster.nodes) server.thaw();
      return it.cluster.served();
    };
  },
  async 'all nodes are dead'(it) {
    await Promise.all(it.cluster.nodes.map(({ server }) => server.kill()));
    return async () => {
      await Promise.all(it.cluster.nodes.map(({ server }) => server.restart()));
      await it.cluster.served();
    };
  },
};

/** Nothing that was acknowledged is lost. */
const keeping: Record<string, Fault<Cluster>> = {
  async 'replicas are dead'(it) {
    const dead = (await it.replicas()).slice(0, 2);
    await Promise.all(dead.map(({ server }) => server.kill()));
    return async () => it.later(() => Promise.all(dead.map(({ server }) => server.restart())));
  },
  'all nodes kill their clients again and again': (it, random) =>
    all(it.cluster.nodes.map(({ server }) => aside(server, (client) => killClients(client, random.integer(20, 150))))),
  async 'slots move from a primary to another'(it, random) {
    const stop = new AbortController();
    const moved = it.moveSlots(random, stop.signal);
    return () => {
      stop.abort();
      return moved;
    };
  },
  async 'a replica takes over on command'(it, random) {
    const takeOver = async (): Promise<void> => {
      const { node, slot } = await it.primary(random);
      await (await it.replicaOf(node)).redis.sendCommand(['CLUSTER', 'FAILOVER']);
      await it.cluster.promoted(slot, node);
      await it.whole();
    };
    await takeOver();
    return takeOver;
  },
  ...badNetworks<Cluster>('a primary'),
};

/** Three primaries with a replica each, every one behind a proxy. */
export const cluster: TopologyKind = {
  title: 'a cluster',
  faults: [...Object.keys(replacing), ...Object.keys(keeping)],
  async start(random) {
    const started = new Cluster(await RedisCluster.start());
    await started.begin(random);
    return started;
  },
};

type Primary = Awaited<ReturnType<RedisCluster['primaries']>>[number];

class Cluster extends Nodes<Cluster> {
  readonly rollsBack = Object.keys(replacing);
  stores: Topology['stores'] = [];

  constructor(readonly cluster: RedisCluster) {
    super({ ...replacing, ...keeping });
  }

  async begin(random: Random): Promise<void> {
    await this.open(
      this.cluster.nodes.map(({ port }) => port),
      random,
    );
    const rootNodes = this.cluster.rootNodes.map(({ socket }) => ({ socket: this.addressMap(`:${socket.port}`) as typeof socket }));
    const options = { cluster: { rootNodes, nodeAddressMap: this.addressMap } };
    this.stores = [
      { title: 'cluster', options },
      { title: 'cluster by RESP 2, unbatched', options: { ...options, RESP: 2, batch: false } },
      { title: 'cluster with reads from replicas', options: { ...options, readFrom: 'replica' }, behind: true },
      { title: 'cluster with a near cache', options: { ...options, near: {} }, staleness: nearStaleness },
      { title: 'cluster with deletions that wait', options: { ...options, invalidations: 'queue' } },
      { title: 'Keyv', face: 'keyv', options },
    ];
  }

  async primary(random: Random): Promise<{ node: ClusterNode; slot: number }> {
    const { node, slots } = random.pick(await this.cluster.primaries());
    return { node, slot: (slots[0] as [number, number])[0] };
  }

  async primaryServer(random: Random): Promise<RedisServer> {
    return (await this.primary(random)).node.server;
  }

  async replicas(): Promise<ClusterNode[]> {
    const primaries = (await this.cluster.primaries()).map(({ node }) => node);
    return this.cluster.nodes.filter((node) => !primaries.includes(node));
  }

  async replicaOf({ id }: ClusterNode): Promise<ClusterNode> {
    const replicas = await this.replicas();
    const lines = String(await (replicas[0] as ClusterNode).redis.sendCommand(['CLUSTER', 'REPLICAS', id]));
    return replicas.find((each) => lines.includes(each.id)) as ClusterNode;
  }

  /** Moves slots that hold keys from one primary to another. Not back again: nodes have to hear of a move before the next owner is named. */
  async moveSlots(random: Random, stop: AbortSignal): Promise<void> {
    const [from, to] = random.some(await this.cluster.primaries(), 2) as [Primary, Primary];
    const moved = new Set<number>();
    while (!stop.aborted) {
      const key = (await from.node.redis.randomKey()) as unknown as string | null;
      const [first, last] = random.pick(from.slots);
      const slot = key === null ? random.integer(first, last) : slotOf(key);
      if (!moved.has(slot)) await this.cluster.moveSlot(slot, from.node, to.node, 2);
      moved.add(slot);
      await sleep(5);
    }
  }

  protected isWhole(): Promise<boolean> {
    return this.cluster.whole();
  }

  protected stopServers(): Promise<void> {
    return this.cluster.stop();
  }
}
