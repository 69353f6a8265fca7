// A Redis of a measurement's own on a free port, with the figures that it gives about itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';

const running = new Set();
process.once('exit', () => {
  for (const each of running) each.kill('SIGKILL');
});

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** Keys in one script: no command of a measurement waits behind it. */
const filledAtOnce = 100_000;
const filling = "for i = ARGV[2], ARGV[3] do redis.call('SET', ARGV[1] .. i, ARGV[4], 'PX', ARGV[5]) end";

export class Server {
  #process;

  constructor(process, port, redis) {
    this.#process = process;
    this.port = port;
    this.location = `127.0.0.1:${port}`;
    /** A client for what is not measured. */
    this.redis = redis;
  }

  static async start(...settings) {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...settings];
    const child = spawn(process.env.REDIS_SERVER ?? 'redis-server', args, { stdio: 'ignore' });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const redis = createClient({ url: `redis://127.0.0.1:${port}`, commandOptions: { timeout: 0 } });
    redis.on('error', () => {});
    for (let attempt = 0; ; attempt++) {
      try {
        await redis.connect();
        return new Server(child, port, redis);
      } catch (error) {
        if (attempt === 50) throw error;
        redis.destroy();
        await sleep(100);
      }
    }
  }

  /** The numbers of a section of INFO. */
  async info(section) {
    const lines = String(await this.redis.sendCommand(['INFO', section])).split('\r\n');
    return Object.fromEntries(
      lines.filter((line) => line.includes(':')).map((line) => line.split(':').map((part) => Number(part) || part)),
    );
  }

  /** Microseconds of CPU that the server has used. */
  async cpu() {
    const { used_cpu_sys, used_cpu_user } = await this.info('cpu');
    return (Number(used_cpu_sys) + Number(used_cpu_user)) * 1e6;
  }

  /** Bytes of the server without the buffers of its clients. */
  async memory() {
    const { used_memory, mem_clients_normal } = await this.info('memory');
    return Number(used_memory) - Number(mem_clients_normal);
  }

  /** Until the memory of the server stays as it is: it frees buffers of its clients in the background. */
  async settled() {
    let [before, after] = [Number.POSITIVE_INFINITY, await this.memory()];
    for (let i = 0; i < 20 && Math.abs(after - before) > 4096; i++) {
      await sleep(100);
      [before, after] = [after, await this.memory()];
    }
  }

  /** So many keys that begin so and end with a number, all with this value. */
  async fill(start, count, value, first = 0) {
    const end = first + count;
    for (let from = first; from < end; from += filledAtOnce) {
      const to = Math.min(from + filledAtOnce, end) - 1;
      await this.redis.eval(filling, { arguments: [start, String(from), String(to), value, '3600000'] });
    }
  }

  async stop() {
    this.redis.destroy();
    this.#process.kill('SIGKILL');
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit');
  }
}
