// One start of bench/observing.mjs: two builds side by side in this process, and what listens to the second.
import { channel } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const keys = Array.from({ length: 1000 }, (_, i) => `key:${i}`);
const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: '' };
value.note = 'x'.repeat(200 - JSON.stringify(value).length);

process.once('message', async (plan) => {
  try {
    process.send({ works: await measure(plan) });
  } catch (error) {
    process.send({ error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit());

async function measure({ without, build, listen, port, work: wanted, swapped, rounds, milliseconds }) {
  // The one that is there first is not as fast, or as slow, as the other: both get their turn.
  const pair = [];
  for (const side of swapped ? [1, 0] : [0, 1]) pair[side] = await stores([without, build][side], port);
  let heard = 0;
  const hear = () => heard++;
  if (listen === 'events') for (const store of pair[1].all) for (const event of ['hit', 'miss', 'set']) store.on(event, hear);
  if (listen === 'channel') for (const event of ['start', 'asyncEnd']) channel(`tracing:redis-tier:command:${event}`).subscribe(hear);

  const works = {
    'get, 512 in flight': [512, ({ plain }, key) => plain.get(key)],
    'set, 512 in flight': [512, ({ plain }, key) => plain.set(key, value, 600_000)],
    'get, `memory:`, 512 in flight': [512, ({ memory }, key) => memory.get(key)],
    'set, `memory:`, 512 in flight': [512, ({ memory }, key) => memory.set(key, value, 600_000)],
    'near hit, decoded, 512 in flight': [512, ({ bytes }, key) => bytes.get(key)],
    'near hit, `freeze`, 512 in flight': [512, ({ freeze }, key) => freeze.get(key)],
    'near hit, `freeze`, one in flight': [1, ({ freeze }, key) => freeze.get(key)],
  };
  const found = [];
  for (const [work, [inFlight, call]] of Object.entries(works).filter(([work]) => new RegExp(wanted).test(work))) {
    // What was set is told by now, and is kept again.
    await sleep(50);
    for (const { bytes, freeze } of pair) for (const store of [bytes, freeze]) for (let i = 0; i < 2; i++) await store.mget(...keys);
    const one = (side) => round((key) => call(pair[side], key), inFlight, milliseconds);
    for (let i = 0; i < 6; i++) await one(i % 2);
    const seen = [];
    for (let i = 0; i < rounds; i++) {
      // Who comes after the other is not as fast as who comes after himself: each does both, as often. And what the one leaves to be
      // collected is not the other's to pay for.
      const figures = [[], []];
      for (const side of i % 2 === 0 ? [0, 1, 1, 0] : [1, 0, 0, 1]) {
        global.gc();
        figures[side].push(await one(side));
      }
      const [base, other] = figures.map(([first, second]) => ({ cpu: first.cpu + second.cpu, time: first.time + second.time }));
      seen.push({ cpu: other.cpu / base.cpu, time: other.time / base.time, more: (other.cpu - base.cpu) * 500 });
    }
    found.push({ work, rounds: seen });
  }
  if (listen && heard === 0) throw new Error('nothing was heard');
  const { near, redis } = pair[1].freeze.stats();
  if (build !== without && wanted === '' && near.hits < 20 * redis.hits)
    throw new Error(`near hits were none: ${near.hits} of ${near.hits + redis.hits}`);
  await Promise.all(pair.flatMap(({ all }) => all).map((store) => store.disconnect()));
  return found;
}

async function stores(build, port) {
  const { redisStore } = await import(pathToFileURL(join(build, 'index.js')).href);
  const open = async (near) => {
    const store = redisStore({ location: `127.0.0.1:${port}`, near });
    await store.ready();
    return store;
  };
  const plain = await open(false);
  for (const key of keys) await plain.set(key, value);
  const [bytes, freeze] = [await open({}), await open({ freeze: true })];
  const memory = redisStore({ location: 'memory:' });
  for (const key of keys) await memory.set(key, value);
  return { plain, memory, bytes, freeze, all: [plain, memory, bytes, freeze] };
}

/** Microseconds of CPU and of time per call. */
async function round(call, inFlight, milliseconds) {
  let calls = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = start + milliseconds;
  const loop = async (from) => {
    for (let i = from; ; i++) {
      if (i % 64 === 0 && performance.now() >= end) return;
      if ((await call(keys[i % keys.length])) === undefined) throw new Error('a miss where there should be a hit');
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, i) => loop(i)));
  const time = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  await sleep(10);
  return { cpu: (user + system) / calls, time: (time * 1000) / calls };
}
