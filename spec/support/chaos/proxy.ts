import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from './random.js';

/**
 * - `open`: everything passes.
 * - `frozen`: nothing passes, connections stay open; what came meanwhile passes afterwards, as after a pause of the network.
 * - `swallow`: what goes this way is lost. TCP loses nothing in the middle of a stream, so a connection that has lost a byte
 *   stays dead for good, like one whose NAT entry is gone, and only new ones work afterwards.
 * - `cut`: each connection ends after so many bytes of replies, in the middle of one where it falls so.
 * - `late`: everything comes so much later, in order. - `drip`: a few bytes at a time.
 */
export type Condition =
  | { readonly kind: 'open' | 'frozen' }
  | { readonly kind: 'swallow'; readonly way: Way }
  | { readonly kind: 'cut'; readonly from: number; readonly to: number }
  | { readonly kind: 'late'; readonly by: number; readonly jitter: number }
  | { readonly kind: 'drip'; readonly bytes: number; readonly every: number };

export type Way = 'requests' | 'replies';

/** A TCP proxy before a real server, whose network can be made as bad as one likes. */
export class FaultProxy {
  readonly #upstream: number;
  readonly #random: Random;
  readonly #links = new Set<Lifecycle>();
  #server: Server | undefined;
  #port = 0;
  #condition: Condition = { kind: 'open' };

  private constructor(upstream: number, random: Random) {
    this.#upstream = upstream;
    this.#random = random;
  }

  static async start(upstream: number, random: Random): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream, random);
    await proxy.accept();
    return proxy;
  }

  get location(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Changes the network, for the connections there are and for those to come. */
  become(condition: Condition): void {
    this.#condition = condition;
    this.present(condition);
  }

  /** The same for the connections there are; those to come have the network as it was. */
  present(condition: Condition): void {
    for (const link of this.#links) link.become(condition);
  }

  /** Resolves when the connections that there are now have ended. */
  async left(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.ended));
  }

  /** Ends every connection by RST. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Refuses connections, and ends those there are. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server && once(server, 'close');
    server?.close();
    this.reset();
    await closed;
  }

  /** Accepts connections (again), on the same port. */
  async accept(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ noDelay: true }, (client) => {
      const link = new Lifecycle(client, connect({ port: this.#upstream, host: '127.0.0.1', noDelay: true }), this.#random);
      this.#links.add(link);
      void link.ended.then(() => this.#links.delete(link));
      link.become(this.#condition);
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    await this.refuse();
  }
}

/** One connection through the proxy. */
class Lifecycle {
  readonly #ends: readonly [Socket, Socket];
  readonly #lanes: readonly [Lane, Lane];
  readonly ended: Promise<unknown>;

  constructor(client: Socket, server: Socket, random: Random) {
    this.#ends = [client, server];
    this.#lanes = [new Lane('requests', client, server, random), new Lane('replies', server, client, random)];
    for (const end of this.#ends) end.on('error', () => {});
    this.ended = Promise.all(this.#ends.map((end) => new Promise<void>((resolve) => end.once('close', () => resolve()))));
  }

  become(condition: Condition): void {
    for (const lane of this.#lanes) lane.become(condition);
  }

  reset(): void {
    // One that is still connecting would keep its handle for good: Node waits for the connection, which is then destroyed. So would one that
    // is being ended: libuv does not reset what it shuts down, and Node does not close what was not reset.
    for (const end of this.#ends) end.connecting || end.writableEnded ? end.destroy() : end.resetAndDestroy();
  }
}

/** The end of a stream, after the bytes before it. */
const end = Symbol('end');

/** One direction of a connection: bytes wait here until the network lets them through. */
class Lane {
  readonly #waiting: { bytes: Buffer | typeof end; due: number }[] = [];
  #condition: Condition = { kind: 'open' };
  #timer: NodeJS.Timeout | undefined;
  #lost = false;
  #over = false;
  #budget = Number.POSITIVE_INFINITY;

  constructor(
    readonly way: Way,
    readonly from: Socket,
    readonly to: Socket,
    readonly random: Random,
  ) {
    from.on('data', (bytes) => this.#take(bytes));
    from.once('close', () => this.#take(end));
    to.once('close', () => this.#end());
  }

  become(condition: Condition): void {
    this.#condition = condition;
    this.#budget =
      condition.kind === 'cut' && this.way === 'replies' ? this.random.integer(condition.from, condition.to) : Number.POSITIVE_INFINITY;
    // What waits in the kernel's buffers of a frozen network counts as on its way.
    if (condition.kind === 'frozen') this.from.pause();
    else this.from.resume();
    for (const piece of this.#waiting) piece.due = 0;
    this.#pass();
  }

  #take(bytes: Buffer | typeof end): void {
    const condition = this.#condition;
    if (bytes !== end) {
      if (condition.kind === 'swallow' && condition.way === this.way) this.#lost = true;
      if (this.#lost) return;
    }
    const delay = condition.kind === 'late' ? condition.by + this.random.next() * condition.jitter : 0;
    this.#waiting.push({ bytes, due: Math.max(performance.now() + delay, this.#waiting.at(-1)?.due ?? 0) });
    this.#pass();
  }

  /** The receiver of the waiting bytes is gone. */
  #end(): void {
    this.#over = true;
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
  }

  /** Lets through what may pass now, and comes back for the rest. */
  #pass(): void {
    clearTimeout(this.#timer);
    if (this.#over) return;
    const { kind } = this.#condition;
    if (kind === 'frozen') return;
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const wait = first.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pass(), wait);
        return;
      }
      if (first.bytes === end) {
        // A network that loses everything reports no end of a connection.
        if (kind === 'swallow') return;
        this.#waiting.shift();
        this.to.destroySoon();
      } else if (this.#condition.kind === 'drip') {
        const { bytes, every } = this.#condition;
        this.#write(first.bytes.subarray(0, bytes));
        first.bytes = first.bytes.subarray(bytes);
        if (first.bytes.length === 0) this.#waiting.shift();
        this.#timer = setTimeout(() => this.#pass(), every);
        return;
      } else {
        this.#waiting.shift();
        this.#write(first.bytes);
      }
    }
  }

  #write(bytes: Buffer): void {
    if (!this.to.writable) return;
    this.to.write(bytes.subarray(0, Math.max(0, this.#budget)));
    this.#budget -= bytes.length;
    if (this.#budget > 0) return;
    this.to.destroySoon();
    this.from.destroy();
  }
}
