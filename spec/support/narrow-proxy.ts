import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** How often bytes pass. */
const interval = 10;

/** Stands between clients and a server, and takes only so many bytes a second from the clients. What the clients send beyond that stays with them. */
export class NarrowProxy {
  /** Bytes a second. */
  rate: number;
  /** Bytes that have passed to the server. */
  passed = 0;
  /** Bytes that might have passed while the rate was bounded: fewer than it says on a busy machine. */
  offered = 0;
  readonly #server: Server;
  readonly #pairs = new Map<Socket, Socket>();
  readonly #timer: NodeJS.Timeout;

  private constructor(port: number, rate: number) {
    this.rate = rate;
    this.#server = createServer({ noDelay: true, highWaterMark: 1024 }, (near) => {
      const far = connect({ port, host: '127.0.0.1', noDelay: true });
      this.#pairs.set(near, far);
      for (const socket of [near, far]) {
        socket
          .on('error', () => {})
          .on('close', () => {
            this.#pairs.delete(near);
            near.destroy();
            far.destroy();
          });
      }
      far.pipe(near);
      near.on('readable', () => this.rate === Number.POSITIVE_INFINITY && this.#pass(near, far, this.rate));
      near.on('end', () => far.end());
    });
    this.#timer = setInterval(() => {
      for (const [near, far] of this.#pairs) this.#pass(near, far, (this.rate * interval) / 1000);
    }, interval);
  }

  static async start(port: number, rate: number): Promise<NarrowProxy> {
    const proxy = new NarrowProxy(port, rate);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get location(): string {
    return `127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#server.close();
    for (const socket of this.#pairs.keys()) socket.destroy();
  }

  #pass(near: Socket, far: Socket, bytes: number): void {
    if (bytes < Number.POSITIVE_INFINITY) this.offered += bytes;
    for (let left = bytes; left > 0; ) {
      const chunk: Buffer | null = near.read(Math.min(left, near.readableLength)) ?? near.read(0);
      if (!chunk || chunk.length === 0) return;
      left -= chunk.length;
      this.passed += chunk.length;
      far.write(chunk);
    }
  }
}
