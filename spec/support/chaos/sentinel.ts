import type { RedisServer } from '../redis.js';
import { RedisSentinels, type Server } from '../sentinel.js';
import { all, aside, badNetworks, type Fault, killClients, Nodes, network, repeated } from './nodes.js';
import type { FaultProxy } from './proxy.js';
import type { Random } from './random.js';
import { nearStaleness, type Topology, type TopologyKind } from './topology.js';

/** Another primary takes over, which may not have heard of everything. */
const replacing: Record<string, Fault<Sentinels>> = {
  async 'the primary is frozen'(it) {
    const old = await it.nodes.primary();
    old.server.freeze();
    return () => it.replaced(old, async () => old.server.thaw());
  },
  async 'the primary is dead'(it) {
    const old = await it.nodes.primary();
    await old.server.kill();
    return () => it.replaced(old, () => old.server.restart());
  },
  async 'the primary is dead, and a sentinel frozen'(it, random) {
    const old = await it.nodes.primary();
    const sentinel = random.pick(it.nodes.sentinels);
    sentinel.server.freeze();
    await old.server.kill();
    return async () => {
      await it.replaced(old, () => old.server.restart());
      sentinel.server.thaw();
    };
  },
  async 'the sentinels are told to fail over'(it, random) {
    const old = await it.nodes.primary();
    return async () => {
      const tell = async (): Promise<void> => {
        const able = await it.awake();
        if (able.length > 0) await it.nodes.ask(['SENTINEL', 'FAILOVER', it.nodes.name], random.pick(able).port).catch(() => {});
      };
      await tell();
      // It gives up where a replica does not answer in time, and is told once more.
      const stop = repeated(2000, tell);
      await it.replaced(old, async () => {});
      await stop();
    };
  },
  async 'the primary is restarted without its data'(it) {
    const { server } = await it.nodes.primary();
    await server.restart(['--replicaof', 'no', 'one']);
    return async () => {};
  },
};

/** Nothing that was acknowledged is lost, or everything. */
const keeping: Record<string, Fault<Sentinels>> = {
  async 'all nodes and sentinels are dead'(it) {
    const { servers, sentinels } = it.nodes;
    const primary = await it.nodes.primary();
    await Promise.all([...servers, ...sentinels].map(({ server }) => server.kill()));
    return async () => {
      await primary.server.restart(['--replicaof', 'no', 'one']);
      for (const { server, port } of servers) if (port !== primary.port) await server.restart(replicaOf(primary));
      await Promise.all(sentinels.map(({ server }) => server.restart()));
    };
  },
  async 'a sentinel is frozen and another is dead'(it, random) {
    const [frozen, dead] = random.some(it.nodes.sentinels, 2) as [Server, Server];
    frozen.server.freeze();
    await dead.server.kill();
    return async () => {
      frozen.server.thaw();
      await dead.server.restart();
    };
  },
  async 'replicas are dead'(it) {
    const primary = await it.nodes.primary();
    const dead = it.nodes.servers.filter(({ port }) => port !== primary.port);
    await Promise.all(dead.map(({ server }) => server.kill()));
    return async () => it.later(() => Promise.all(dead.map(({ server }) => server.restart(replicaOf(primary)))));
  },
  'all nodes kill their clients again and again': (it, random) =>
    all(it.nodes.servers.map(({ server }) => aside(server, (client) => killClients(client, random.integer(20, 150))))),
  ...badNetworks<Sentinels>('the primary'),
  async 'everything is frozen'(it) {
    // Sentinels that look on would promote a replica the moment one is back. Frozen as well, they have missed nothing.
    for (const { server } of [...it.nodes.sentinels, ...it.nodes.servers]) server.freeze();
    return async () => {
      for (const { server } of [...it.nodes.servers, ...it.nodes.sentinels]) server.thaw();
    };
  },
  'the sentinels are cut off': async (it) => network(it.beforeSentinels, { kind: 'frozen' }),
};

const replicaOf = ({ port }: Server): string[] => ['--replicaof', '127.0.0.1', String(port)];

/** Three sentinels, a primary and two replicas, every one behind a proxy. */
export const sentinels: TopologyKind = {
  title: 'sentinels',
  faults: [...Object.keys(replacing), ...Object.keys(keeping)],
  async start(random) {
    // Sentinels dial once a second: less, and a primary that is restarted is as good as dead. Twice the timeout lies between failovers.
    const sentinelLines = ['sentinel down-after-milliseconds cache 1500', 'sentinel failover-timeout cache 1500'];
    const nodes = await RedisSentinels.start({ sentinelLines });
    const started = new Sentinels(nodes);
    await started.begin(random);
    return started;
  },
};

class Sentinels extends Nodes<Sentinels> {
  readonly rollsBack = Object.keys(replacing);
  stores: Topology['stores'] = [];
  #left: Promise<void> | undefined;

  constructor(readonly nodes: RedisSentinels) {
    super({ ...replacing, ...keeping });
  }

  async begin(random: Random): Promise<void> {
    await this.open(
      [...this.nodes.servers, ...this.nodes.sentinels].map(({ port }) => port),
      random,
    );
    const sentinelRootNodes = this.nodes.sentinels.map(({ port }) => this.addressMap(`:${port}`) as { host: string; port: number });
    const options = { sentinel: { name: this.nodes.name, sentinelRootNodes, nodeAddressMap: this.addressMap } };
    this.stores = [
      { title: 'sentinel', options },
      { title: 'sentinel by RESP 2, unbatched', options: { ...options, RESP: 2, batch: false } },
      { title: 'sentinel with reads from replicas', options: { ...options, readFrom: 'replica' }, behind: true },
      { title: 'sentinel with a near cache', options: { ...options, near: {} }, staleness: nearStaleness },
      { title: 'sentinel with deletions that wait', options: { ...options, invalidations: 'queue' } },
      { title: 'Keyv', face: 'keyv', options },
    ];
  }

  async primaryServer(): Promise<RedisServer> {
    return (await this.nodes.primary()).server;
  }

  get beforeSentinels(): FaultProxy[] {
    return this.nodes.sentinels.map(({ port }) => this.proxyOf(port));
  }

  /** The sentinels that act. One that was frozen only looks on, for half a minute (`tilt`). */
  async awake(): Promise<Server[]> {
    const infos = await Promise.all(this.nodes.sentinels.map(({ port }) => this.nodes.ask(['INFO', 'sentinel'], port)));
    return this.nodes.sentinels.filter((_, i) => String(infos[i]).includes('sentinel_tilt:0'));
  }

  /** Resolves when there is another primary. The old one comes back as it is, a primary by its own account, until the stores have left it. */
  async replaced(old: Server, back: () => Promise<void>): Promise<void> {
    const now = await this.nodes.promoted(old);
    const left = this.proxyOf(old.port).left();
    this.#left = left;
    this.later(async () => {
      await back();
      await left;
      // As the sentinels do themselves, some seconds later.
      await this.nodes.ask(['REPLICAOF', '127.0.0.1', String(now.port)], old.port);
    });
  }

  async left(): Promise<void> {
    await this.#left;
    this.#left = undefined;
  }

  protected isWhole(): Promise<boolean> {
    return this.nodes.whole();
  }

  protected stopServers(): Promise<void> {
    return this.nodes.stop();
  }
}
