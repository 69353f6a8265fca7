import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A proxy whose replies come later, in order, by a time that may change with every one of them. */
export class SlowNetwork {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  accepted = 0;
  /** How much later a reply comes that leaves the server now. */
  latency: () => number = () => 0;

  private constructor(port: number) {
    this.#server = createServer({ noDelay: true }, (client) => {
      this.accepted++;
      const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket
          .on('error', () => {})
          .on('close', () => {
            this.#sockets.delete(socket);
            client.destroy();
            upstream.destroy();
          });
      }
      client.pipe(upstream);
      let due = 0;
      upstream.on('data', (data) => {
        due = Math.max(due, performance.now() + this.latency());
        setTimeout(() => client.writable && client.write(data), due - performance.now());
      });
    });
  }

  static async start(port: number): Promise<SlowNetwork> {
    const network = new SlowNetwork(port);
    await once(network.#server.listen(0, '127.0.0.1'), 'listening');
    return network;
  }

  get location(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
