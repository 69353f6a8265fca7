// A process that reads with a near cache, for bench/scale/near.mjs and bench/scale/limits.mjs. The parent says what to do; it answers with what it has seen.
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../../dist/esm/index.js';
import { firstKey, nameOf } from './blocks.mjs';
import { serve } from './serve.mjs';
import { zipf } from './zipf.mjs';

/** Microseconds on a clock that all processes of the machine share. */
const now = () => Number(process.hrtime.bigint() / 1000n);
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

let store;
let plain;
const counts = { pushes: 0, last: 0 };
/** The pushes of a load that is logged: keys and times. */
let arrivals;
const works = {
  async open({ location, near }) {
    store = redisStore({ location, prefix: 'scale', near });
    plain = redisStore({ location, prefix: 'scale' });
    for (const each of [store, plain]) {
      each.on('error', () => {});
      await each.ready();
    }
    store.client.on('invalidate', (redisKey) => {
      counts.pushes++;
      counts.last = now();
      if (arrivals) arrivals.push([Number(/\d+$/.exec(String(redisKey))?.[0]) - firstKey, counts.last]);
    });
    // The first reads may come before tracking is on.
    for (let hits = 0; hits === 0; hits = store.stats().near.misses) {
      await store.get('none');
      await sleep(20);
    }
  },
  /** What is not tracked is read by the commands of a miss. */
  async readAll({ keys, isTracked }) {
    for (let from = 0; from < keys; from += 500) {
      const names = Array.from({ length: Math.min(500, keys - from) }, (_, i) => nameOf(from + i));
      if (isTracked) await store.mget(...names);
      else await Promise.all([plain.mget(...names), ...names.map((name) => plain.ttl(name))]);
    }
  },
  async count() {
    return { ...counts, cpu: cpu() };
  },
  /** Reads so many keys every so many milliseconds; each read with when it began and the number in its value. */
  async live({ keys, each, every, seconds, exponent, isLogged }) {
    const pick = exponent ? zipf(keys, exponent) : () => Math.floor(Math.random() * keys);
    const [reads, pushes] = [[], counts.pushes];
    arrivals = isLogged ? [] : undefined;
    store.stats({ reset: true });
    const end = performance.now() + seconds * 1000;
    for (let next = performance.now(); next < end; ) {
      for (let i = 0; i < each; i++) {
        const key = pick();
        const at = now();
        const value = await store.get(nameOf(key));
        if (isLogged) reads.push([key, value.number, at]);
      }
      next = Math.max(next + every, performance.now() - every);
      await sleep(Math.max(1, next - performance.now()));
    }
    const { near, hits, misses } = store.stats();
    const arrived = arrivals ?? [];
    arrivals = undefined;
    return { reads, arrivals: arrived, pushes: counts.pushes - pushes, nearHits: near.hits, all: hits + misses };
  },
  async close() {
    await Promise.all([store.disconnect(), plain.disconnect()]);
    setImmediate(() => process.disconnect());
  },
};

serve(works);
