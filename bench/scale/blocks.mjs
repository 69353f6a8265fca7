// What a block of calls costs: CPU of this process and of the server, and time, per call.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// What one contender leaves to be collected is not the next one's to pay for.
setFlagsFromString('--expose-gc');
export const collect = runInNewContext('gc');

export const inFlight = 512;

/** Names of keys, all as long: Redis finds no key of the tracking table to take out as often as one with a short name. */
export const firstKey = 10_000_000;
export const nameOf = (i) => `key:${firstKey + i}`;

/** An object whose JSON has 200 bytes. */
export const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: 'x'.repeat(105) };

/** So many random whole numbers below `size`. Those of one block differ, if there are as many: the reads of a tick ask once for a key. */
export function random(count, size) {
  const list = [];
  while (list.length < count) {
    const some = new Set();
    while (some.size < Math.min(inFlight, size, count - list.length)) some.add(Math.floor(Math.random() * size));
    list.push(...some);
  }
  return list;
}

/** Runs the call for each argument, so many at a time. */
export async function block(call, list) {
  for (let from = 0; from < list.length; from += inFlight) await Promise.all(list.slice(from, from + inFlight).map(call));
}

/** Microseconds per call: of this process, of the server, and of time. */
export async function cost(server, call, list) {
  collect();
  // A forced collection drops optimized code.
  await block(call, list.slice(0, 4 * inFlight));
  const serverBefore = await server.cpu();
  const before = process.cpuUsage();
  const start = performance.now();
  await block(call, list);
  const time = (performance.now() - start) * 1000;
  const { user, system } = process.cpuUsage(before);
  const own = (await server.cpu()) - serverBefore;
  return { client: (user + system) / list.length, server: own / list.length, time: time / list.length };
}
