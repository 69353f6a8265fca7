import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type RedisClientOptions } from '@redis/client';
import { admin, adminRules, documentedListener, minimalEverywhere, minimalUsers } from './acl.js';
import { pause } from './cluster.js';
import { freePort, RedisServer } from './redis.js';

export interface SentinelSetup {
  /** Arguments for primary and replicas. */
  readonly args?: readonly string[];
  /** Lines for the sentinels' configuration. */
  readonly sentinelLines?: readonly string[];
  /** The sentinels speak TLS as well, with the files of `tls`. */
  readonly sentinelTls?: boolean;
  /**
   * Whether the default users may do no more than a store needs: everywhere, or on the servers alone, for a client of the
   * user's own, which asks more of sentinels. Only where `sentinelClient` is not given. Default: as everywhere.
   */
  readonly minimal?: boolean | 'servers';
  /** What a client needs to get in at a sentinel. */
  readonly sentinelClient?: RedisClientOptions;
  readonly tls?: (port: number, args: readonly string[]) => Promise<RedisServer>;
}

export interface Server {
  readonly server: RedisServer;
  readonly port: number;
}

/** A primary, two replicas and three sentinels of the specs' own. */
export class RedisSentinels {
  readonly name = 'cache';
  servers: Server[] = [];
  sentinels: Server[] = [];
  readonly #setup: SentinelSetup;

  private constructor(setup: SentinelSetup) {
    this.#setup = setup.minimal && !setup.sentinelClient ? minimally(setup) : setup;
  }

  static async start(setup: SentinelSetup = {}): Promise<RedisSentinels> {
    const made = new RedisSentinels({ minimal: minimalEverywhere, ...setup });
    await made.#form();
    return made;
  }

  get rootNodes(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** The server that the sentinels call the primary. */
  async primary(): Promise<Server> {
    const [, port] = (await this.ask(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name])) as [string, string];
    return this.servers.find((each) => each.port === Number(port)) as Server;
  }

  /** The new primary, when the sentinels have promoted another one; `instead` if they have not within so many milliseconds. */
  async promoted(instead: Server, within = Number.POSITIVE_INFINITY): Promise<Server> {
    const end = performance.now() + within;
    for (;;) {
      const now = await this.primary();
      if (now.port !== instead.port) return now;
      if (performance.now() > end) return instead;
      await pause(20);
    }
  }

  /** Whether all sentinels name the same primary, see each other and two replicas, and these are connected. */
  async whole(): Promise<boolean> {
    const words = this.sentinels.map(async ({ port }) => {
      const lists = await Promise.all(['MASTER', 'REPLICAS', 'SENTINELS'].map((what) => this.ask(['SENTINEL', what, this.name], port)));
      const [primary, replicas, others] = lists as [string[], string[][], string[][]];
      const field = (list: string[], name: string): string => list[list.indexOf(name) + 1] as string;
      const up = [primary, ...replicas, ...others].every((each) => !/[so]_down|disconnected|failover/.test(field(each, 'flags')));
      return up && replicas.length === 2 && others.length === 2 ? field(primary, 'port') : 'not well';
    });
    const roles = this.servers.map(async ({ port }) => {
      const [role, , , state] = (await this.ask(['ROLE'], port)) as string[];
      return role === 'master' ? String(port) : state === 'connected' ? 'replica' : 'not well';
    });
    const [first, ...rest] = await Promise.all(words);
    const found = await Promise.all(roles);
    return (
      first !== 'not well' && rest.every((each) => each === first) && found.sort().join() === [first, 'replica', 'replica'].sort().join()
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.servers, ...this.sentinels].map(({ server }) => server.stop()));
  }

  async #form(): Promise<void> {
    const { args = [], tls } = this.#setup;
    const start = async (more: readonly string[]): Promise<Server> => {
      const port = await freePort();
      return { port, server: tls ? await tls(port, more) : await RedisServer.start(more, port) };
    };
    const quick = ['--repl-diskless-sync-delay', '0', ...args];
    const primary = await start(quick);
    const following = [1, 2].map(() => start([...quick, '--replicaof', '127.0.0.1', String(primary.port)]));
    const replicas = await Promise.all(following);
    this.servers = [primary, ...replicas];
    const { name } = this;
    // They are told of each other and of the replicas, as after a restart: to find each other takes them two seconds.
    const sentinels = await Promise.all([1, 2, 3].map(async () => ({ port: await freePort(), id: randomBytes(20).toString('hex') })));
    this.sentinels = await Promise.all(
      sentinels.map(async ({ port, id }) => {
        const file = join(mkdtempSync(join(tmpdir(), 'redis-tier-sentinel-')), 'sentinel.conf');
        const lines = [
          `sentinel myid ${id}`,
          `sentinel monitor ${name} 127.0.0.1 ${primary.port} 2`,
          `sentinel down-after-milliseconds ${name} 700`,
          `sentinel failover-timeout ${name} 3000`,
          `sentinel parallel-syncs ${name} 2`,
          ...(this.#setup.sentinelLines ?? []),
          ...replicas.map((replica) => `sentinel known-replica ${name} 127.0.0.1 ${replica.port}`),
          ...sentinels
            .filter((other) => other.port !== port)
            .map((other) => `sentinel known-sentinel ${name} 127.0.0.1 ${other.port} ${other.id}`),
        ];
        writeFileSync(file, lines.join('\n'));
        const plain = ['--port', String(port)];
        const where = this.#setup.sentinelTls ? ['--port', '0', '--tls-port', String(port), ...primary.server.tlsFiles] : plain;
        return { port, server: await RedisServer.startWith([file, '--sentinel', ...where, '--bind', '127.0.0.1'], port) };
      }),
    );
    for (const { port } of this.sentinels) {
      for (let i = 0; ; i++) {
        const [followers, others] = (await Promise.all(
          ['REPLICAS', 'SENTINELS'].map((what) => this.ask(['SENTINEL', what, name], port)),
        )) as [string[][], string[][]];
        const linked = followers.filter((each) => each[each.indexOf('master-link-status') + 1] === 'ok');
        const known = others.filter((each) => !/s_down|disconnected/.test(each[each.indexOf('flags') + 1] as string));
        if (known.length === 2 && linked.length === 2) break;
        if (i > 500) throw new Error('the sentinels do not see each other and the replicas');
        await pause(25);
      }
    }
  }

  /** One command, to the server with this port or to a sentinel that answers. */
  async ask(command: string[], port?: number): Promise<unknown> {
    const asked = port ?? (this.sentinels.find(({ server }) => !server.frozen && !server.ended) as Server).port;
    const options = this.#setup.sentinelClient ?? {};
    const client = createClient({
      ...options,
      RESP: 2,
      socket: { ...options.socket, host: '127.0.0.1', port: asked } as NonNullable<RedisClientOptions['socket']>,
    } as never) as unknown as ReturnType<typeof createClient>;
    client.on('error', () => {});
    try {
      await client.connect();
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }
}

function minimally({ minimal, args = [], sentinelLines = [], ...setup }: SentinelSetup): SentinelSetup {
  const { username, password } = admin;
  const users = [
    ...(minimal === 'servers' ? [] : [`user default reset on nopass ${documentedListener().join(' ')}`]),
    `user ${username} ${adminRules.join(' ')}`,
    `sentinel auth-user cache ${username}`,
    `sentinel auth-pass cache ${password}`,
    `sentinel sentinel-user ${username}`,
    `sentinel sentinel-pass ${password}`,
  ];
  return { ...setup, args: [...minimalUsers('sentinel'), ...args], sentinelLines: [...users, ...sentinelLines], sentinelClient: admin };
}
