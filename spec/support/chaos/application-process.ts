// An application in a process of its own, whose stores are under load. Its event loop is blocked here, and its parent stops it.
import { once } from 'node:events';
import type { Message, Orders } from './application.js';
import { applicationFault, orderDuringBoth } from './application-faults.js';
import { type ClientOfApplication, clientOfApplication } from './client-of-application.js';
import { Random } from './random.js';
import { run } from './run.js';
import { storesAt } from './stores.js';
import type { Topology } from './topology.js';

/** A server of the parent's, which does to it what it is asked. */
class ServerOfParent implements Topology {
  readonly order = orderDuringBoth;
  readonly #location: string;
  #client: ClientOfApplication | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(location: string) {
    this.#location = location;
  }

  get stores(): Topology['stores'] {
    this.#client = clientOfApplication(this.#location);
    return storesAt(this.#location, this.#client);
  }

  async inject(fault: string, random: Random): Promise<void> {
    await ask({ kind: 'inject', fault, seed: random.fork().seed });
    if (applicationFault(fault).does === 'blocks') this.#block(random);
  }

  async heal(): Promise<void> {
    clearTimeout(this.#timer);
    await ask({ kind: 'heal' });
  }

  released(): void {
    this.#client?.destroy();
  }

  async stop(): Promise<void> {}

  /** Now and then, work that takes a while. */
  #block(random: Random): void {
    const work = (): void => {
      const end = performance.now() + random.integer(200, 2000);
      while (performance.now() < end);
      this.#block(random);
    };
    this.#timer = setTimeout(work, random.integer(50, 300));
  }
}

async function ask(message: Message): Promise<void> {
  process.send?.(message);
  await once(process, 'message');
}

async function main(): Promise<void> {
  // Opened now, so that a warning is no handle that is left over.
  void process.stderr.fd;
  const { location, seed, steps } = JSON.parse(process.argv[2] as string) as Orders;
  const random = new Random(seed);
  const topology = new ServerOfParent(location);
  // Once without faults, so that what is compiled and kept from then on does not count.
  await run(topology, [], random);
  process.send?.({ kind: 'over', outcome: await run(topology, steps, random) } satisfies Message);
}

void main();
