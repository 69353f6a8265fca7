import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { admin, minimalEverywhere, minimalUsers } from './acl.js';

/** The server under test: any build that takes redis-server's command line. */
export const serverBinary = process.env['REDIS_SERVER'] ?? 'redis-server';

/** A real Redis of the specs' own, on a free port and a unix socket in a folder of its own. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #listening: number;
  #process!: ChildProcess;
  #frozen = false;

  private constructor(args: readonly string[], listening: number, port: number, folder: string) {
    this.#args = args;
    this.#listening = listening;
    this.port = port;
    this.folder = folder;
  }

  /** Starts a server with these arguments beyond the harness's own and waits until it accepts connections. */
  static async start(args: readonly string[] = [], port?: number): Promise<RedisServer> {
    if (port !== undefined) return RedisServer.#startOn(port, args);
    for (let attempt = 0; ; attempt++) {
      try {
        return await RedisServer.#startOn(await freePort(), args);
      } catch (error) {
        // Another process has taken the port meanwhile.
        if (attempt === 3 || !/Address already in use|listens on port/.test(String(error))) throw error;
      }
    }
  }

  static #startOn(chosen: number, args: readonly string[]): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'redis-tier-'));
    const own = ['--port', String(chosen), '--bind', '127.0.0.1', '--dir', folder, '--unixsocket', join(folder, 'redis.sock')];
    const listening = args.includes('--tls-port') ? Number(args[args.indexOf('--tls-port') + 1]) : chosen;
    // A replica leaves what it was synchronized with on disk otherwise, and has that again, however old, when it is restarted.
    const forgetful = ['--save', '', '--appendonly', 'no', '--rdb-del-sync-files', 'yes'];
    // Explicit users and passwords are kept.
    const open = !minimalEverywhere || args.includes('--user') || args.includes('--requirepass');
    return RedisServer.startWith([...own, ...forgetful, ...(open ? [] : minimalUsers()), ...args], listening, chosen, folder);
  }

  /** Starts a server with these arguments and no others, and waits until it accepts connections on `listening`. */
  static async startWith(
    args: readonly string[],
    listening: number,
    chosen = listening,
    folder = mkdtempSync(join(tmpdir(), 'redis-tier-')),
  ): Promise<RedisServer> {
    const server = new RedisServer(args, listening, chosen, folder);
    await server.#launch([]);
    return server;
  }

  /** Kills it if need be, and starts it once more: same arguments, and these; same port and folder. What it held is gone. */
  async restart(more: readonly string[] = []): Promise<void> {
    await this.kill();
    await this.#launch(more);
  }

  async #launch(more: readonly string[]): Promise<void> {
    // Else whoever answers there would be taken for this server.
    if (await accepts(this.#listening)) throw new Error(`somebody listens on port ${this.#listening} already`);
    const child = spawn(serverBinary, [...this.#args, ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout?.on('data', (data) => (output += data));
    child.stderr?.on('data', (data) => (output += data));
    this.#process = child;
    this.#frozen = false;
    running.add(this);
    for (let i = 0; i < 400; i++) {
      if (child.exitCode !== null) throw new Error(`${serverBinary} ended with ${child.exitCode}: ${output}`);
      // The unix socket comes after the port: without it, another server may have taken that port. Its file comes before it listens.
      const hasSocket = !this.#args.includes('--unixsocket') || (await accepts(this.unixSocket));
      if (hasSocket && (await accepts(this.#listening))) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`${serverBinary} does not accept connections: ${output}`);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** With all rights, for the specs themselves: another user than that of the stores, if theirs has fewer. */
  get adminUrl(): string {
    const { username, password } = admin;
    return this.#args.includes(username) ? `redis://${username}:${password}@${this.location}` : this.url;
  }

  get location(): string {
    return `127.0.0.1:${this.port}`;
  }

  get unixSocket(): string {
    return join(this.folder, 'redis.sock');
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Stops answering, with every connection left open. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
    this.#frozen = true;
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
    this.#frozen = false;
  }

  /** The arguments that say where its certificates are, for more servers with the same. */
  get tlsFiles(): readonly string[] {
    const args = this.#process.spawnargs;
    return args.flatMap((arg, i) => (/^--tls-(cert|key|ca-cert)-file$/.test(arg) ? [arg, args[i + 1] as string] : []));
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Ends it at once. Its folder stays, for {@link restart}. */
  async kill(): Promise<void> {
    if (!this.running) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
    rmSync(this.unixSocket, { force: true });
  }

  async stop(): Promise<void> {
    running.delete(this);
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const running = new Set<RedisServer>();

/** Stops every server that a spec has left behind. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()));
}

/** What the binary says it is, such as `Redis server v=7.0.15 …`. */
export function serverVersion(): string {
  const { stdout, error } = spawnSync(serverBinary, ['--version'], {
    encoding: 'utf8',
  });
  if (error) throw new Error(`no ${serverBinary} (${error.message}): install Redis, or name a build in REDIS_SERVER`);
  return stdout.trim();
}

/**
 * A port that nobody listens on, below those that the system gives to outgoing connections: of one of those somebody else may have made
 * use before the server listens on it. At random, for the processes beside this one look for ports as well.
 */
export async function freePort(from = 2_000, to = 12_000): Promise<number> {
  for (;;) {
    const port = from + Math.floor(Math.random() * (to - from));
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

function accepts(place: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof place === 'string' ? connect(place) : connect(place, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
