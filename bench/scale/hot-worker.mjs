// A process that reads one key at a fixed rate, for bench/scale/hot.mjs.
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../../dist/esm/index.js';
import { BareSocket } from '../limit.mjs';
import { serve } from './serve.mjs';

const key = 'key:hot';
const contenders = {
  async bare({ port }) {
    const bare = await BareSocket.open({ port });
    return async () => JSON.parse(await bare.send(['GET', `scale:${key}`]));
  },
  store: ({ location }) => reading({ location }),
  near: ({ location }) => reading({ location, near: {} }),
  freeze: ({ location }) => reading({ location, near: { freeze: true } }),
};

async function reading(options) {
  const store = redisStore({ ...options, prefix: 'scale' });
  store.on('error', () => {});
  await store.ready();
  for (let i = 0; i < 5; i++) {
    await store.get(key);
    await sleep(20);
  }
  return () => store.get(key);
}

const reads = {};
const works = {
  async open(target) {
    for (const [name, open] of Object.entries(contenders)) reads[name] = await open(target);
  },
  /** Reads at this rate, a few in each turn of the event loop, as requests come. */
  async run({ name, rate, seconds }) {
    const read = reads[name];
    const { user, system } = process.cpuUsage();
    const start = performance.now();
    const [end, latencies, open] = [start + seconds * 1000, [], new Set()];
    let calls = 0;
    let failed = 0;
    for (let at = start; at < end; at = performance.now()) {
      const due = Math.floor(((at - start) * rate) / 1000) - calls;
      for (let i = 0; i < Math.min(due, 4); i++) {
        const began = performance.now();
        const call = read().then(
          (value) => {
            if (value?.note === undefined) failed++;
            open.delete(call);
            latencies.push(performance.now() - began);
          },
          () => {
            failed++;
            open.delete(call);
          },
        );
        open.add(call);
        calls++;
      }
      if (due > 4 && open.size < 1000) await new Promise(setImmediate);
      else await sleep(1);
    }
    await Promise.all(open);
    const took = performance.now() - start;
    const used = process.cpuUsage();
    latencies.sort((a, b) => a - b);
    const quantile = (share) => latencies[Math.floor((latencies.length - 1) * share)];
    const cpu = (used.user + used.system - user - system) / (took * 1000);
    return { rate: (calls * 1000) / took, failed, cpu, p50: quantile(0.5), p99: quantile(0.99) };
  },
  async close() {
    setImmediate(() => process.exit());
  },
};

serve(works);
