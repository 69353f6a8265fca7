import { randomUUID } from 'node:crypto';
import { monitor } from './monitor.js';
import type { Place } from './places.js';
import { until } from './until.js';

/** Commands of a connection itself: its setup, and whether it is still tracked and which node serves which keys. */
const upkeep = ['AUTH', 'CLIENT', 'CLUSTER', 'HELLO', 'PING', 'SELECT'];

/**
 * The commands that each process sent while the work ran, as the servers saw them. The `name` of a client
 * tells its process; those without one are not counted.
 */
export async function sentBy({ primaries }: Place, work: () => Promise<unknown>): Promise<Map<string, string[]>> {
  const sent = new Map<string, string[]>();
  const heard = primaries.map((): string[] => []);
  const monitors = await Promise.all(primaries.map(({ port }, i) => monitor(port, (text) => heard[i]?.push(text))));
  try {
    await work();
    for (const [i, { redis }] of primaries.entries()) {
      const chunks = heard[i] as string[];
      const mark = randomUUID();
      await redis.sendCommand(['ECHO', mark]);
      await until(() => chunks.join('').includes(mark));
      const list = String(await redis.sendCommand(['CLIENT', 'LIST']));
      const names = new Map([...list.matchAll(/ addr=(\S+) .* name=(\S+) /gm)].map(([, address, name]) => [address, name as string]));
      for (const line of chunks.join('').split('\r\n')) {
        const [, address, command = ''] = /^\+\d+\.\d+ \[\d+ (\S+)\] "(\w+)"/.exec(line) ?? [];
        const name = names.get(address);
        if (name === undefined || upkeep.includes(command.toUpperCase())) continue;
        sent.set(name, [...(sent.get(name) ?? []), command.toUpperCase()]);
      }
    }
  } finally {
    for (const socket of monitors) socket.destroy();
  }
  return sent;
}
