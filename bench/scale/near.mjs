// What a write costs while so many processes hold its key in their near cache: CPU of the server, pushes, the memory of the tracking table,
// and how old answers are. All processes are there all the time; so many of them read.
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../../dist/esm/index.js';
import { block, nameOf, value } from './blocks.mjs';
import { spreads } from './figures.mjs';
import { startAll } from './processes.mjs';
import { Server } from './server.mjs';

const now = () => Number(process.hrtime.bigint() / 1000n);

export async function measure({ quick, log }) {
  const sizes = quick ? [0, 1, 4, 8] : [0, 1, 2, 4, 8, 16, 32];
  const [rounds, keys, seconds] = quick ? [3, 1000, 1] : [3, 5000, 2];
  const server = await Server.start();
  const writer = redisStore({ location: server.location, prefix: 'scale' });
  await writer.ready();
  log(`starting ${sizes.at(-1)} processes`);
  const readers = await startAll('reader.mjs', sizes.at(-1), { location: server.location, near: { max: 2 * keys } });
  const world = { server, writer, keys, seconds };
  const found = sizes.map(() => []);
  await hold({ ...world, readers });
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const i of sizes.keys()) {
      const at = (i + round) % sizes.length;
      const some = readers.slice(0, sizes[at]);
      const figures = await hold({ ...world, readers: some });
      found[at].push({ ...figures, ...(some.length > 0 ? await live({ ...world, readers: some }) : {}) });
    }
  }
  await Promise.all(readers.map((each) => each.close()));
  await writer.disconnect();
  await server.stop();
  return { rounds, keys, seconds, figures: sizes.map((processes, i) => ({ processes, ...spreads(found[i]) })) };
}

const indexes = (keys) => Array.from({ length: keys }, (_, i) => i);

/** All readers read all keys; then each key is written once, and each reader gets a push for each. */
async function hold({ server, writer, readers, keys }) {
  const write = (i) => writer.set(nameOf(i), { ...value, number: 0 });
  await block(write, indexes(keys));
  await server.settled();
  // A few at a time: what they need to be answered is memory too.
  const read = async (isTracked) => {
    const cpu = await server.cpu();
    for (let from = 0; from < readers.length; from += 4)
      await Promise.all(readers.slice(from, from + 4).map((each) => each.ask('readAll', { keys, isTracked })));
    return readers.length === 0 ? 0 : ((await server.cpu()) - cpu) / keys / readers.length;
  };
  const plain = await read(false);
  await server.settled();
  const before = await server.memory();
  const tracking = (await read(true)) - plain;
  await server.settled();
  const memory = (await server.memory()) - before;
  const { tracking_total_keys: trackedKeys, tracking_total_items: trackedItems } = await server.info('stats');
  // One at a time, each push leaves Redis alone, as the changes of a fleet come.
  const few = keys / 10;
  const alone = await pushed(server, readers, few, async () => {
    for (const i of indexes(few)) await write(i);
  });
  const rest = indexes(keys).slice(few);
  const burst = await pushed(server, readers, rest.length, () => block(write, rest));
  return {
    cpuAlone: alone.cpu,
    cpu: burst.cpu,
    lost: alone.lost + burst.lost,
    perSecond: burst.perSecond,
    clientAlone: alone.clientCpu,
    clientCpu: burst.clientCpu,
    tracking,
    memory,
    trackedKeys,
    trackedItems,
  };
}

/** Writes so many keys that all readers hold, and waits until each reader has a push for each. Microseconds of CPU per write and per push. */
async function pushed(server, readers, keys, write) {
  const counts = () => Promise.all(readers.map((each) => each.ask('count')));
  const was = await counts();
  const [cpu, start] = [await server.cpu(), now()];
  await write();
  const written = now() - start;
  const used = (await server.cpu()) - cpu;
  const expected = readers.length * keys;
  const end = performance.now() + 20_000;
  for (;;) {
    await sleep(100);
    const is = await counts();
    const sum = (name) => is.reduce((all, each, i) => all + each[name] - was[i][name], 0);
    if (sum('pushes') < expected && performance.now() < end) continue;
    const time = Math.max(written, ...is.map(({ last }) => last - start));
    const clientCpu = expected === 0 ? 0 : sum('cpu') / expected;
    return { cpu: used / keys, lost: expected - sum('pushes'), perSecond: (sum('pushes') * 1e6) / time, clientCpu };
  }
}

/** The readers read some hot keys at a low rate while one writes them. */
async function live({ server, writer, readers, seconds }) {
  const [hot, pause] = [20, 20];
  let number = 0;
  const writes = indexes(hot).map(() => []);
  const write = async () => {
    const [key, own, sent] = [number % hot, ++number, now()];
    await writer.set(nameOf(key), { ...value, number: own });
    writes[key].push({ number: own, sent, acknowledged: now() });
  };
  for (let i = 0; i < hot; i++) await write();
  const cpu = await server.cpu();
  const reading = readers.map((each) => each.ask('live', { keys: hot, each: 4, every: 20, seconds, isLogged: true }));
  const end = performance.now() + seconds * 1000;
  const start = performance.now();
  const before = number;
  while (performance.now() < end) {
    await write();
    await sleep(pause);
  }
  const took = (performance.now() - start) / 1000;
  const answers = await Promise.all(reading);
  const sum = (of) => answers.reduce((all, each) => all + of(each), 0);
  const reads = answers.flatMap((each) => each.reads);
  const delays = answers.flatMap(({ arrivals }) => arrivals.map((each) => delay(each, writes))).sort((a, b) => a - b);
  const quantile = (share) => delays[Math.floor(share * (delays.length - 1))] / 1000;
  return {
    livePushes: sum(({ pushes }) => pushes) / took,
    liveWrites: (number - before) / took,
    hits: sum(({ nearHits }) => nearHits) / sum(({ all }) => all),
    stale: reads.filter((read) => isStale(read, writes)).length / reads.length,
    p50: quantile(0.5),
    p99: quantile(0.99),
    latest: quantile(1),
    liveCpu: ((await server.cpu()) - cpu) / took / 1e6,
  };
}

/** Whether a newer value was acknowledged before the read began. */
function isStale([key, number, at], writes) {
  return writes[key].some((each) => each.number > number && each.acknowledged < at);
}

/** Microseconds from the acknowledgement of the write that a push is about to its arrival: so long an answer can be stale. */
function delay([key, at], writes) {
  const write = writes[key].findLast(({ sent }) => sent < at);
  return write ? Math.max(0, at - write.acknowledged) : 0;
}
