import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Place } from './places.js';
import { until } from './until.js';

/** What a connection asks whoever waits for what: to be set up, and whether it is still tracked and by whom keys are served. */
const upkeep = ['AUTH', 'CLIENT', 'CLUSTER', 'HELLO', 'PING', 'SELECT'];

/** MONITOR on one server. */
class Monitor {
  readonly lines: string[] = [];
  readonly #socket;
  #rest = '';

  private constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1').on('data', (chunk) => {
      const lines = (this.#rest + chunk).split('\r\n');
      this.#rest = lines.pop() as string;
      this.lines.push(...lines);
    });
    this.#socket.write('MONITOR\r\n');
  }

  static async start(port: number): Promise<Monitor> {
    const monitor = new Monitor(port);
    await once(monitor.#socket, 'data');
    return monitor;
  }

  stop(): void {
    this.#socket.destroy();
  }
}

/**
 * The commands that each process sent while the work ran, as the servers saw them. Clients say who they are by their `name`; those
 * without one count for nobody.
 */
export async function sentBy({ primaries }: Place, work: () => Promise<unknown>): Promise<Map<string, string[]>> {
  const sent = new Map<string, string[]>();
  const monitors = await Promise.all(primaries.map(({ port }) => Monitor.start(port)));
  try {
    await work();
    for (const [i, { redis }] of primaries.entries()) {
      const { lines } = monitors[i] as Monitor;
      const mark = randomUUID();
      await redis.sendCommand(['ECHO', mark]);
      await until(() => lines.some((line) => line.includes(mark)));
      const list = String(await redis.sendCommand(['CLIENT', 'LIST']));
      const names = new Map([...list.matchAll(/ addr=(\S+) .* name=(\S+) /gm)].map(([, address, name]) => [address, name as string]));
      for (const line of lines) {
        const [, address, command = ''] = /^\+\d+\.\d+ \[\d+ (\S+)\] "(\w+)"/.exec(line) ?? [];
        const name = names.get(address);
        if (name === undefined || upkeep.includes(command.toUpperCase())) continue;
        sent.set(name, [...(sent.get(name) ?? []), command.toUpperCase()]);
      }
    }
  } finally {
    for (const monitor of monitors) monitor.stop();
  }
  return sent;
}
