import { createClient, type RedisClientOptions } from '@redis/client';
import { admin, minimalEverywhere, minimalUsers } from './acl.js';
import { freePort, RedisServer } from './redis.js';

type RawNode = ReturnType<typeof createClient>;

export interface ClusterSetup {
  /** Arguments for every server. */
  readonly args?: readonly string[];
  /** Whether its default user may do no more than a store needs. Only where `client` is not given. Default: as everywhere. */
  readonly minimal?: boolean;
  /** What a client needs to get in: credentials, TLS. */
  readonly client?: RedisClientOptions;
  /** Servers that speak nothing but TLS. */
  readonly tls?: (port: number, args: readonly string[]) => Promise<RedisServer>;
  /** Primaries that have no replica and serve no slots. */
  readonly spare?: number;
}

export interface ClusterNode {
  readonly server: RedisServer;
  readonly port: number;
  readonly redis: RawNode;
  readonly id: string;
}

const nodeTimeout = 1000;

/** A real cluster of the specs' own: three primaries with a replica each. */
export class RedisCluster {
  readonly #setup: ClusterSetup;
  readonly nodes: ClusterNode[] = [];
  /** Also those that never became part of it. */
  readonly #servers: RedisServer[] = [];

  private constructor(setup: ClusterSetup) {
    this.#setup =
      setup.minimal && !setup.client ? { ...setup, args: [...minimalUsers('cluster'), ...(setup.args ?? [])], client: admin } : setup;
  }

  static async start(setup: ClusterSetup = {}): Promise<RedisCluster> {
    for (let attempt = 1; ; attempt++) {
      const cluster = new RedisCluster({ minimal: minimalEverywhere, ...setup });
      try {
        await cluster.#form(3, setup.spare ?? 0);
        return cluster;
      } catch (error) {
        // Another process may have taken a port between looking and listening.
        await cluster.stop();
        if (attempt === 3) throw error;
      }
    }
  }

  /** Where a client may begin: two of the nodes, for the others have to be discovered. */
  get rootNodes(): { socket: { host: string; port: number } }[] {
    return this.nodes.slice(0, 2).map(({ port }) => ({ socket: { host: '127.0.0.1', port } }));
  }

  /** What MIGRATE needs to be let in at the other node. */
  get auth(): string[] {
    const { username, password } = this.#setup.client ?? {};
    if (password === undefined) return [];
    return username === undefined ? ['AUTH', String(password)] : ['AUTH2', username, String(password)];
  }

  /** The nodes that serve slots now, as one of those that still answer says. */
  async primaries(): Promise<{ node: ClusterNode; slots: [number, number][] }[]> {
    const found = new Map<ClusterNode, [number, number][]>();
    const ranges = (await this.#anyone().sendCommand(['CLUSTER', 'SLOTS'])) as unknown as [number, number, [string, number]][];
    for (const [from, to, [, port]] of ranges) {
      const node = this.nodes.find((each) => each.port === port) as ClusterNode;
      found.set(node, [...(found.get(node) ?? []), [from, to]]);
    }
    return [...found].map(([node, slots]) => ({ node, slots }));
  }

  /** Resolves when the slot is served by another node than this one, as the others see it. */
  async promoted(slot: number, instead: ClusterNode): Promise<ClusterNode> {
    for (;;) {
      const now = (await this.primaries()).find(({ slots }) => slots.some(([from, to]) => from <= slot && slot <= to));
      if (now && now.node !== instead) return now.node;
      await pause(20);
    }
  }

  /** Resolves when every node has said for a moment that every slot is served: right after a pause they do not know yet which node was missed. */
  async served(): Promise<void> {
    const ok = async ({ redis }: ClusterNode): Promise<boolean> =>
      redis.isReady &&
      /cluster_state:ok.*cluster_slots_ok:16384/s.test(String(await redis.sendCommand(['CLUSTER', 'INFO']).catch(() => '')));
    for (let inARow = 0; inARow < 4; inARow++) {
      if (!(await Promise.all(this.nodes.map(ok))).every(Boolean)) inARow = -1;
      await pause(40);
    }
  }

  /** Whether every node says that all is well and the same of every slot, with a connected replica for every primary. */
  async whole(): Promise<boolean> {
    const said = this.nodes.map(async ({ redis }) => {
      if (!redis.isReady) return undefined;
      const [state, slots, replication] = await Promise.all([
        redis.sendCommand(['CLUSTER', 'INFO']),
        redis.sendCommand(['CLUSTER', 'SLOTS']) as unknown as Promise<[number, number, ...[string, number][]][]>,
        redis.info('replication'),
      ]);
      const link = /role:master|master_link_status:up/.test(String(replication));
      if (!link || !String(state).includes('cluster_state:ok') || slots.some((range) => range.length !== 4)) return undefined;
      const owners = new Array<number>(16_384);
      for (const [from, to, primary] of slots) owners.fill(primary?.[1] as number, from, to + 1);
      return owners.join();
    });
    const [first, ...others] = await Promise.all(said);
    return first !== undefined && others.every((other) => other === first);
  }

  /** Moves a slot as `redis-cli --cluster reshard` does: with a time in which its keys are on both nodes. */
  async moveSlot(slot: number, from: ClusterNode, to: ClusterNode, linger = 0): Promise<void> {
    await to.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id]);
    await from.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', to.id]);
    for (;;) {
      const keys = (await from.redis.sendCommand(['CLUSTER', 'GETKEYSINSLOT', String(slot), '1'])) as unknown as string[];
      if (keys.length === 0) break;
      await from.redis.sendCommand(['MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'REPLACE', ...this.auth, 'KEYS', ...keys]);
      if (linger > 0) await pause(linger);
    }
    for (const node of [to, from]) await node.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'NODE', to.id]);
  }

  async stop(): Promise<void> {
    for (const { redis } of this.nodes) if (redis.isOpen) redis.destroy();
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  #anyone(): RawNode {
    return (this.nodes.find(({ redis, server }) => redis.isReady && !server.frozen) as ClusterNode).redis;
  }

  async #form(primaries: number, spare: number): Promise<void> {
    const { args = [], tls, client = {} } = this.#setup;
    const more = [
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeout), '--cluster-require-full-coverage', 'no'],
      ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1', ...args],
    ];
    const servers = await Promise.all(
      Array.from({ length: primaries * 2 + spare }, async () => {
        // The bus listens 10 000 above. Both below those that the system gives to outgoing connections.
        const port = await freePort(12_000, 22_000);
        const server = tls ? await tls(port, more) : await RedisServer.start(more, port);
        this.#servers.push(server);
        return { port, server };
      }),
    );
    for (const { port, server } of servers) {
      const redis = createClient({
        ...client,
        RESP: 2,
        commandOptions: { timeout: 5000 },
        socket: { ...client.socket, host: '127.0.0.1', port } as NonNullable<RedisClientOptions['socket']>,
      } as never) as unknown as RawNode;
      redis.on('error', () => {});
      await redis.connect();
      this.nodes.push({ server, port, redis, id: String(await redis.sendCommand(['CLUSTER', 'MYID'])) });
    }
    for (const [i, { redis }] of this.nodes.entries()) await redis.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1)]);
    // Everybody meets everybody: to wait for gossip takes seconds.
    for (const { redis } of this.nodes) {
      for (const { port } of this.nodes) await redis.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(port)]);
    }
    const share = Math.ceil(16384 / primaries);
    for (let i = 0; i < primaries; i++) {
      const range = [i * share, Math.min(16384, (i + 1) * share) - 1].map(String);
      await this.nodes[i]?.redis.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', ...range]);
    }
    await this.#until(
      async ({ redis }) =>
        String(await redis.sendCommand(['CLUSTER', 'NODES']))
          .trim()
          .split('\n').length === this.nodes.length,
    );
    for (let i = 0; i < primaries; i++) {
      await this.nodes[primaries + i]?.redis.sendCommand(['CLUSTER', 'REPLICATE', (this.nodes[i] as ClusterNode).id]);
    }
    await this.#until(async ({ redis }) => {
      const info = String(await redis.sendCommand(['CLUSTER', 'INFO']));
      const slots = (await redis.sendCommand(['CLUSTER', 'SLOTS'])) as unknown as unknown[][];
      return info.includes('cluster_state:ok') && slots.length === primaries && slots.every((range) => range.length === 4);
    });
    await Promise.all(
      this.nodes.slice(primaries, primaries * 2).map(async ({ redis }) => {
        while (!String(await redis.info('replication')).includes('master_link_status:up')) await pause(20);
      }),
    );
  }

  async #until(holds: (node: ClusterNode) => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 200; i++) {
      if ((await Promise.all(this.nodes.map(holds))).every(Boolean)) return;
      await pause(20);
    }
    throw new Error('the cluster does not form');
  }
}

export function pause(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time));
}
