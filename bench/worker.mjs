// One contender in a process of its own. The parent says what to do, one measurement at a time, so that only one process works.
import { contenders } from './contenders.mjs';

const [title, target] = [process.argv[2], JSON.parse(process.argv[3])];
const cache = await contenders[title](target);

/** An object whose JSON is about this many bytes, like what applications cache. */
function sample(bytes) {
  const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: '' };
  value.note = 'x'.repeat(Math.max(0, bytes - JSON.stringify(value).length));
  return value;
}

/** How many keys of that size: large values take 32 MiB together. */
const keysOf = (most, bytes) => Math.max(1, Math.min(most, Math.floor(2 ** 25 / bytes)));

function operation({ work, bytes }) {
  const value = sample(bytes);
  const entries = Object.fromEntries(Array.from({ length: keysOf(100, bytes) }, (_, i) => [`many:${bytes}:${i}`, value]));
  const keys = Object.keys(entries);
  const keyed = Array.from({ length: keysOf(1000, bytes) }, (_, i) => `key:${bytes}:${i}`);
  let next = 0;
  const key = () => keyed[next++ % keyed.length];
  const never = () => {
    throw new Error('a miss where there should be a hit');
  };
  const prepare = async () => {
    for (const each of keyed) await cache.set(each, value);
    if (cache.mset) await cache.mset(entries);
    const back = await cache.get(keyed[0]);
    if (back?.note !== value.note) throw new Error(`${title} does not give back what it was given`);
  };
  const run = {
    get: () => cache.get(key()),
    miss: () => cache.get('missing'),
    set: () => cache.set(key(), value),
    mget: () => cache.mget(keys),
    mset: () => cache.mset(entries),
    wrap: () => cache.wrap(key(), never),
  }[work];
  const supported = { mget: cache.mget, mset: cache.mset, wrap: cache.wrap }[work] !== undefined || ['get', 'miss', 'set'].includes(work);
  return { prepare, run: supported ? run : undefined };
}

async function measure({ run, inFlight, milliseconds }) {
  const latencies = [];
  // With many in flight a clock reading for every call would be part of what is measured.
  const every = inFlight > 32 ? 16 : 1;
  let operations = 0;
  const start = performance.now();
  const end = start + milliseconds;
  const cpu = process.cpuUsage();
  const loop = async () => {
    for (let i = 0; ; i++) {
      if (i % every === 0) {
        const before = performance.now();
        if (before >= end) return;
        await run();
        latencies.push(performance.now() - before);
      } else await run();
      operations++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const quantile = (share) => latencies[Math.floor((latencies.length - 1) * share)] * 1000;
  return { opsPerSecond: operations / seconds, cpuPerOp: (user + system) / operations, p50: quantile(0.5), p99: quantile(0.99) };
}

const prepared = new Set();
process.on('message', async ({ work, bytes, inFlight, milliseconds }) => {
  try {
    const { prepare, run } = operation({ work, bytes });
    if (!run) return process.send({ skipped: true });
    if (!prepared.has(bytes)) {
      await prepare();
      prepared.add(bytes);
    }
    // What is measured is a process that has run for a while. One call at a time takes long to have its code optimized, and a forced
    // collection drops optimized code.
    const warmUp = { run, inFlight: Math.max(64, inFlight), milliseconds: Math.min(150, milliseconds) };
    await measure(warmUp);
    global.gc?.();
    await measure(warmUp);
    process.send(await measure({ run, inFlight, milliseconds }));
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
