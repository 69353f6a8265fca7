// One real Redis, with what can be done to it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '@redis/client';

const binary = process.env.REDIS_SERVER ?? 'redis-server';

/** Everything that was started and is still there: a script that ends early leaves nothing behind. */
const running = new Set();
process.once('exit', () => {
  for (const server of running) server.remove();
});

export class Server {
  port;
  folder = mkdtempSync(join(tmpdir(), 'redis-tier-faults-'));
  #child;

  /** A port and a folder, and no server yet. */
  static async place(port) {
    const server = new Server();
    running.add(server);
    server.port = port ?? (await freePort());
    return server;
  }

  /** Starts it, with no data unless some was saved before, and waits until it accepts commands (or is busy loading). */
  start(args = [], expected = /^(PONG|LOADING)/) {
    return this.launch(['--dir', this.folder, '--save', '', '--appendonly', 'no', ...args], expected);
  }

  /** Starts it with these arguments and no others but where it listens. */
  async launch(args, expected = /^PONG/) {
    const child = spawn(binary, [...args, '--port', String(this.port), '--bind', '127.0.0.1'], { stdio: 'ignore' });
    this.#child = child;
    for (let i = 0; i < 400 && child.exitCode === null; i++) {
      const answer = await this.command(['PING']).catch((error) => error.message);
      if (expected.test(answer)) return;
      await pause(25);
    }
    throw new Error(`${binary} did not start on port ${this.port}`);
  }

  async kill() {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  /** One command over a connection of its own. */
  command(args) {
    return this.session((send) => send(args));
  }

  /** As many as `use` sends, over a connection of its own. */
  async session(use) {
    const socket = { host: '127.0.0.1', port: this.port, reconnectStrategy: false, connectTimeout: 5000 };
    const client = createClient({ RESP: 2, socket });
    client.on('error', () => {});
    try {
      await client.connect();
      return await use((args) => client.sendCommand(args));
    } finally {
      client.destroy();
    }
  }

  remove() {
    running.delete(this);
    this.#child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export function serverVersion() {
  return spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.split(' sha=')[0].trim();
}
