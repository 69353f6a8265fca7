import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Certificate } from './certificates.js';
import { stopping } from './open.js';

/** What a server that is no Redis answers a command with, in RESP. `undefined`: it closes the connection. */
export type Answers = (command: readonly string[]) => string | undefined;

/** A server that keeps what it is sent. Behind TLS that is the text within. */
export class Recorder {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #chunks: Buffer[] = [];
  connections = 0;
  /** Stays known when it has stopped: a client may come a moment later. */
  port = 0;

  private constructor(answers: Answers, certificate: Certificate | undefined) {
    const serve = (socket: Socket): void => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => {
        this.#chunks.push(data);
        for (const command of commandsOf(data)) {
          const answer = answers(command);
          if (answer !== undefined) socket.write(answer);
          else socket.destroy();
        }
        // A greeting of TLS, or whatever else.
        if (commandsOf(data).length === 0) socket.destroy();
      });
    };
    this.#server = certificate ? createTlsServer({ ...certificate }, serve) : createTcpServer(serve);
    this.#server.on('tlsClientError', () => {});
  }

  static async start(answers: Answers = () => undefined, certificate?: Certificate): Promise<Recorder> {
    const recorder = new Recorder(answers, certificate);
    await new Promise<void>((resolve) => recorder.#server.listen(0, '127.0.0.1', resolve));
    recorder.port = (recorder.#server.address() as { port: number }).port;
    return stopping(recorder);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

function commandsOf(data: Buffer): string[][] {
  const texts = data.toString('latin1').match(/\*\d+\r\n(?:\$\d+\r\n[^\r]*\r\n)+/g) ?? [];
  return texts.map((text) => [...text.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map((match) => match[1] as string));
}

/** An array of texts in RESP. */
export function list(...texts: readonly (string | number)[]): string {
  return `*${texts.length}\r\n${texts.map((text) => `$${String(text).length}\r\n${text}\r\n`).join('')}`;
}

/** A Redis that knows nothing but how to begin a session. `more`: further answers. */
export function greeting(more: Answers = () => undefined): Answers {
  return (command) => more(command) ?? (command[0] === 'HELLO' ? '%1\r\n$5\r\nproto\r\n:3\r\n' : '+OK\r\n');
}

/** Sentinels that name the primary at this port. */
export const sentinelFor = (port: () => number): Answers =>
  greeting(([name, what]) => {
    if (name !== 'SENTINEL') return undefined;
    if (what === 'GET-MASTER-ADDR-BY-NAME') return list('127.0.0.1', port());
    return what === 'MASTER' ? list('ip', '127.0.0.1', 'port', port(), 'config-epoch', 1) : '*0\r\n';
  });

/** A node of a cluster whose slots are all at this port. */
export const nodeOf = (port: () => number): Answers =>
  greeting(([name, what]) => {
    const slots = name === 'CLUSTER' && what === 'SLOTS';
    return slots ? `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:${port()}\r\n$2\r\nid\r\n` : undefined;
  });
