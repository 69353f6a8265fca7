// A real cluster: three primaries with a replica each. It finds out quickly that one of them is gone.
import { setTimeout as pause } from 'node:timers/promises';
import slotOf from 'cluster-key-slot';
import { Server } from './server.mjs';

const primaries = 3;
const slots = 16_384;
const share = Math.ceil(slots / primaries);
const first = (i) => i * share;
const last = (i) => Math.min(slots, first(i + 1)) - 1;
const args = [
  ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no'],
  ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'],
];

export class Cluster {
  #nodes = [];

  get ports() {
    return this.#nodes.map(({ port }) => port);
  }

  /** For each primary a key that it serves: with these in use, all of the cluster is. */
  get shares() {
    return Array.from({ length: primaries }, (_, i) => {
      for (let n = 0; ; n++) if (slotOf(`${n}`) >= first(i) && slotOf(`${n}`) <= last(i)) return `{${n}}`;
    });
  }

  /** The primary that faults happen to: a third of the keys is its. */
  get primary() {
    return this.#nodes[0];
  }

  /** Its replica takes over, on command: resolves when it has agreed to. */
  failover() {
    return this.#nodes[primaries].command(['CLUSTER', 'FAILOVER']);
  }

  /** Resolves when another primary says that another node serves the keys of `primary`. */
  async promoted() {
    await this.#nodes[1].session(async (send) => {
      const serves = async () => (await send(['CLUSTER', 'SLOTS'])).find(([from]) => from === 0)?.[2][1];
      while ((await serves()) === this.primary.port) await pause(20);
    });
  }

  close() {
    for (const node of this.#nodes) node.remove();
  }

  async form() {
    // The bus listens 10 000 above. Both below those that the system gives to outgoing connections.
    const free = () => 12_000 + Math.floor(Math.random() * 10_000);
    for (let i = 0; i < primaries * 2; i++) this.#nodes.push(await Server.place(free()));
    await Promise.all(this.#nodes.map((node) => node.start(args, /^PONG/)));
    await this.#each((send, i) => send(['CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1)]));
    await this.#each(async (send, i) => {
      // Everybody meets everybody: to wait for gossip takes seconds.
      for (const port of this.ports) await send(['CLUSTER', 'MEET', '127.0.0.1', String(port)]);
      if (i < primaries) await send(['CLUSTER', 'ADDSLOTSRANGE', String(first(i)), String(last(i))]);
    });
    await this.#each((send) => until(async () => (await send(['CLUSTER', 'NODES'])).trim().split('\n').length === this.#nodes.length));
    const ids = await this.#each((send) => send(['CLUSTER', 'MYID']));
    await this.#each((send, i) => i < primaries || until(() => replicates(send, ids[i - primaries])));
    await this.#each((send, i) =>
      until(async () => {
        const ranges = await send(['CLUSTER', 'SLOTS']);
        const known = ranges.length === primaries && ranges.every((range) => range.length === 4);
        const following = i < primaries || (await send(['ROLE']))[3] === 'connected';
        return known && following && (await send(['CLUSTER', 'INFO'])).includes('cluster_state:ok');
      }),
    );
  }

  #each(use) {
    return Promise.all(this.#nodes.map((node, i) => node.session((send) => use(send, i))));
  }
}

/** A node that the other does not know yet cannot be followed. */
async function replicates(send, id) {
  return (await send(['CLUSTER', 'REPLICATE', id]).catch(() => undefined)) === 'OK';
}

async function until(holds) {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return;
    await pause(25);
  }
  throw new Error('the cluster does not form');
}
