// A network between the contender and Redis, which can be slow or narrow, swallow bytes while every connection looks open, or accept
// connections only to close them.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export class Network {
  port;
  /** Milliseconds that every answer is held up: a number, or a function of the time. */
  latency = 0;
  /** New connections are accepted and closed. */
  closing = false;
  /** Bytes a second, each way, of all connections together. */
  bandwidth = Number.POSITIVE_INFINITY;
  /** When the last byte that was taken is through, there and back. */
  #through = [0, 0];
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

  /** Ends the connections there are. */
  cut() {
    for (const { near } of this.#pairs) near.resetAndDestroy();
  }

  close() {
    this.#server.close();
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far?.destroy();
    }
  }

  #join(near, target) {
    if (this.closing) {
      near.on('error', () => {}).destroy();
      return;
    }
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
    this.#carry(near, far, pair, 0);
    this.#carry(far, near, pair, 1);
    near.on('close', () => far.destroy());
    far.on('error', () => {}).on('close', () => pair.dead || near.destroy());
  }

  /** One way of a connection. While its bytes wait for a narrow network, no more are taken: the rest waits at the sender. */
  #carry(from, to, pair, way) {
    const pass = (chunk) => pair.dead || to.destroyed || to.write(chunk);
    // One after the other: what is not held up must not overtake what is.
    let last = Promise.resolve();
    from.on('data', (chunk) => {
      const latency = way === 1 ? (this.latency.call?.() ?? this.latency) : 0;
      if (this.bandwidth < Number.POSITIVE_INFINITY) {
        from.pause();
        last = last.then(() => this.#squeeze(chunk, way, pass)).then(() => from.resume());
      } else if (latency > 0) last = Promise.all([last, pause(latency)]).then(() => pass(chunk));
      else last = last.then(() => pass(chunk));
    });
  }

  /** A few bytes at a time, so that the connections share what there is. */
  async #squeeze(chunk, way, pass) {
    for (let i = 0; i < chunk.length; i += 4096) {
      const piece = chunk.subarray(i, i + 4096);
      if (this.bandwidth < Number.POSITIVE_INFINITY) {
        this.#through[way] = Math.max(performance.now(), this.#through[way]) + (1000 * piece.length) / this.bandwidth;
        await pause(this.#through[way] - performance.now());
      }
      pass(piece);
    }
  }
}
