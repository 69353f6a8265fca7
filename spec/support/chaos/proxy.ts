import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Condition } from './condition.js';
import { Handshakes } from './handshakes.js';
import { Lane } from './lane.js';
import { Pipe } from './pipe.js';
import type { Random } from './random.js';

export type { Condition, Way } from './condition.js';

/** A TCP proxy before a real server, whose network can be made as bad as one likes. */
export class FaultProxy {
  /** Connections that were accepted so far. */
  accepted = 0;
  /** What a connection costs the server: nothing, unless told otherwise. */
  readonly handshakes = new Handshakes(() => this.#condition.kind === 'frozen');
  readonly #upstream: number;
  readonly #random: Random;
  readonly #links = new Set<Lifecycle>();
  /** Connections without another end: those that wait for their handshake, and those that were greeted by something else. */
  readonly #waiting = new Set<Socket>();
  readonly #greeted = new Set<Socket>();
  readonly #pipes = [new Pipe(), new Pipe()] as const;
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
    for (const pipe of this.#pipes) pipe.begin();
    for (const client of this.#greeted) client.destroy();
    if (condition.kind === 'closing' || condition.kind === 'greeting') this.reset();
    else this.present(condition);
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
    for (const client of [...this.#waiting, ...this.#greeted]) client.resetAndDestroy();
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
      this.accepted++;
      client.on('error', () => {});
      if (this.handshakes.cost === 0) this.#receive(client);
      else {
        keep(client, this.#waiting);
        void this.handshakes.turn().then(() => this.#waiting.delete(client) && this.#receive(client));
      }
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    this.handshakes.cost = 0;
    await this.refuse();
  }

  #receive(client: Socket): void {
    const condition = this.#condition;
    if (condition.kind === 'closing') client.destroy();
    else if (condition.kind === 'greeting') {
      keep(client, this.#greeted);
      client.resume().write(condition.bytes);
      if (!condition.stays) client.end();
    } else {
      const link = new Lifecycle(client, connect({ port: this.#upstream, host: '127.0.0.1', noDelay: true }), this.#pipes, this.#random);
      this.#links.add(link);
      void link.ended.then(() => this.#links.delete(link));
      link.become(condition);
    }
  }
}

function keep(client: Socket, among: Set<Socket>): void {
  among.add(client);
  client.once('close', () => among.delete(client));
}

/** One connection through the proxy. */
class Lifecycle {
  readonly #ends: readonly [Socket, Socket];
  readonly #lanes: readonly [Lane, Lane];
  readonly ended: Promise<unknown>;

  constructor(client: Socket, server: Socket, [there, back]: readonly [Pipe, Pipe], random: Random) {
    this.#ends = [client, server];
    this.#lanes = [new Lane('requests', client, server, there, random), new Lane('replies', server, client, back, random)];
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
