import { RedisServer } from '../redis.js';
import { type RawClient, rawClient } from '../wire.js';
import { type ClientOfApplication, clientOfApplication } from './client-of-application.js';
import { FaultProxy } from './proxy.js';
import type { Random } from './random.js';
import { faults, orderDuring } from './server-faults.js';
import { storesAt } from './stores.js';
import type { Topology, TopologyKind } from './topology.js';

/** One real server behind a proxy. */
export const oneServer = {
  title: 'one server',
  faults: Object.keys(faults),
  async start(random: Random): Promise<OneServer> {
    const server = await RedisServer.start();
    return new OneServer(server, await FaultProxy.start(server.port, random));
  },
} satisfies TopologyKind;

export class OneServer implements Topology {
  readonly order = orderDuring;
  readonly #port: number;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #clients: RawClient[] = [];
  readonly #repairs: (() => Promise<unknown>)[] = [];
  #clientOfApplication: ClientOfApplication | undefined;

  constructor(
    public server: RedisServer,
    readonly proxy: FaultProxy,
  ) {
    this.#port = server.port;
  }

  get stores(): Topology['stores'] {
    this.#clientOfApplication = clientOfApplication(this.proxy.location);
    return storesAt(this.proxy.location, this.#clientOfApplication);
  }

  inject(fault: string, random: Random): Promise<void> {
    const inject = faults[fault];
    if (!inject) throw new Error(`one server knows no fault \`${fault}\``);
    return inject(this, random);
  }

  get accepted(): number {
    return this.proxy.accepted;
  }

  released(): void {
    this.#clientOfApplication?.destroy();
    this.#clientOfApplication = undefined;
  }

  async heal(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    if (this.server.running) this.server.thaw();
    else this.server = await RedisServer.start([], this.#port);
    // Also waits for a script to end.
    await this.aside(async (client) => {
      while (!(await client.sendCommand(['CONFIG', 'SET', 'lua-time-limit', '5000']).catch(() => undefined)));
    });
    for (const repair of this.#repairs.splice(0)) await repair();
    for (const client of this.#clients.splice(0)) client.destroy();
    this.proxy.handshakes.cost = 0;
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

  /** What undoes a fault that does not end by itself. */
  onHeal(repair: () => Promise<unknown>): void {
    this.#repairs.push(repair);
  }

  /** With a client beside the proxy, until it is healed. */
  async aside(work: (client: RawClient) => Promise<unknown>): Promise<void> {
    const client = await rawClient(this.server);
    this.#clients.push(client);
    await work(client);
  }
}
