import { BlockingPool, RoundRobinPool } from '../../../src/index.js';
import { RedisServer } from '../redis.js';
import { type RawClient, rawClient } from '../wire.js';
import { type Condition, FaultProxy } from './proxy.js';
import type { Random } from './random.js';
import { nearStaleness, type Topology, type TopologyKind, timeout } from './topology.js';

type Inject = (it: OneServer, random: Random) => Promise<void>;

const network =
  (condition: (random: Random) => Condition): Inject =>
  async (it, random) =>
    it.proxy.become(condition(random));

/** Keeps Redis busy with a script, as a slow command of another client would. */
const busy = (it: OneServer, rounds: number): Promise<void> =>
  it.aside(async (client) => {
    client.sendCommand(['EVAL', `for i = 1, ${rounds} do end`, '0']).catch(() => {});
  });

const faults: Record<string, Inject> = {
  'the network is frozen': network(() => ({ kind: 'frozen' })),
  'the network loses requests': network(() => ({ kind: 'swallow', way: 'requests' })),
  'the network loses replies': network(() => ({ kind: 'swallow', way: 'replies' })),
  'connections are cut in the middle of replies': network((random) => ({ kind: 'cut', from: 1, to: random.pick([500, 5000, 50_000]) })),
  'the network is late': network((random) => ({ kind: 'late', by: random.integer(20, 200), jitter: random.integer(50, 300) })),
  'the network is almost too late': network(() => ({ kind: 'late', by: 0.39 * timeout, jitter: 0.05 * timeout })),
  'bytes drip': network((random) => ({ kind: 'drip', bytes: random.integer(1, 64), every: random.integer(1, 10) })),
  'connections are reset again and again': async (it, random) => it.every(random.integer(10, 150), () => it.proxy.reset()),
  'connections are refused': (it) => it.proxy.refuse(),
  'the server is frozen': async (it) => it.server.freeze(),
  'the server is dead': (it) => it.server.stop(),
  'the server is restarted without its data': (it) => it.restart(),
  'the server kills its clients again and again': (it, random) =>
    it.aside(async (client) => {
      it.every(random.integer(20, 150), () => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']).catch(() => {}));
    }),
  'the server is busy with a script': (it, random) => busy(it, random.integer(1, 2) * 1e8),
  'the server answers that it is busy': async (it, random) => {
    await it.aside((client) => client.sendCommand(['CONFIG', 'SET', 'lua-time-limit', '50']));
    await busy(it, random.integer(1, 2) * 1e8);
  },
};

/** One real server behind a proxy. */
export const oneServer: TopologyKind = {
  title: 'one server',
  faults: Object.keys(faults),
  async start(random) {
    const server = await RedisServer.start();
    return new OneServer(server, await FaultProxy.start(server.port, random));
  },
};

class OneServer implements Topology {
  readonly stores: Topology['stores'];
  readonly #port: number;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #clients: RawClient[] = [];

  constructor(
    public server: RedisServer,
    readonly proxy: FaultProxy,
  ) {
    this.#port = server.port;
    const { location } = proxy;
    this.stores = [
      { title: 'shared connection', options: { location } },
      { title: 'our own parser', options: { location, parser: 'auto' } },
      { title: 'round-robin pool', options: { location, pool: { class: RoundRobinPool, size: 2 }, batch: false } },
      { title: 'blocking pool', options: { location, pool: { class: BlockingPool, max: 3, timeout: 200 } } },
      { title: 'RESP 2', options: { location, RESP: 2 } },
      { title: 'near cache', options: { location, near: {} }, staleness: nearStaleness },
      { title: 'deletions that wait', options: { location, invalidations: 'queue' } },
      { title: 'Keyv', face: 'keyv', options: { location } },
    ];
  }

  inject(fault: string, random: Random): Promise<void> {
    const inject = faults[fault];
    if (!inject) throw new Error(`one server knows no fault \`${fault}\``);
    return inject(this, random);
  }

  async heal(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    if (this.server.running) this.server.thaw();
    else this.server = await RedisServer.start([], this.#port);
    // Also waits for a script to end.
    await this.aside(async (client) => {
      while (!(await client.sendCommand(['CONFIG', 'SET', 'lua-time-limit', '5000']).catch(() => undefined)));
    });
    for (const client of this.#clients.splice(0)) client.destroy();
    this.proxy.become({ kind: 'open' });
    await this.proxy.accept();
  }

  async stop(): Promise<void> {
    await this.heal();
    await this.proxy.stop();
    await this.server.stop();
  }

  async restart(): Promise<void> {
    await this.server.stop();
    this.server = await RedisServer.start([], this.#port);
  }

  every(milliseconds: number, work: () => unknown): void {
    this.#timers.push(setInterval(work, milliseconds));
  }

  /** With a client beside the proxy, until it is healed. */
  async aside(work: (client: RawClient) => Promise<unknown>): Promise<void> {
    const client = await rawClient(this.server);
    this.#clients.push(client);
    await work(client);
  }
}
