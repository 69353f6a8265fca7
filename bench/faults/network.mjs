// A network between the contender and Redis, which can be slow or swallow bytes while every connection looks open.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export class Network {
  port;
  /** Milliseconds that every answer is held up. */
  latency = 0;
  #server;
  #swallowing = false;
  #pairs = new Set();

  static async open(target) {
    const network = new Network();
    network.#server = createServer((near) => network.#join(near, target));
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    network.port = network.#server.address().port;
    return network;
  }

  /** No byte goes through any more, either way, on connections there are and on new ones. None of them ends. */
  swallow() {
    this.#swallowing = true;
    for (const pair of this.#pairs) pair.dead = true;
  }

  /** New connections go through. Those that were swallowed stay as they are: their other end is gone for good. */
  letThrough() {
    this.#swallowing = false;
  }

  close() {
    this.#server.close();
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far?.destroy();
    }
  }

  #join(near, target) {
    const pair = { near, dead: this.#swallowing };
    this.#pairs.add(pair);
    near.on('error', () => {}).on('close', () => this.#pairs.delete(pair));
    near.setNoDelay(true);
    if (pair.dead) {
      near.resume();
      return;
    }
    const far = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
    pair.far = far;
    near.on('data', (chunk) => pair.dead || far.write(chunk));
    // One after the other: what is not held up must not overtake what is.
    let last = Promise.resolve();
    far.on('data', (chunk) => {
      last = Promise.all([last, this.latency ? pause(this.latency) : undefined]).then(() => pair.dead || near.write(chunk));
    });
    near.on('close', () => far.destroy());
    far.on('error', () => {}).on('close', () => pair.dead || near.destroy());
  }
}
