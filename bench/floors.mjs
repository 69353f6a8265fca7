// What each floor costs, from the connection to the store: `npm run bench:floors`. Every floor does the same work with the same values, in
// blocks that alternate within one process, over node-redis and over our own parser. CPU is that of the whole process, as a multiple of a
// bare pipelined socket with native JSON. Memory is what a call allocates, counted while no collection runs.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { batching } from '../dist/esm/commands/batching.js';
import { redisCommands } from '../dist/esm/commands/redis.js';
import { openClient } from '../dist/esm/connection/client/open-client.js';
import { openDirect } from '../dist/esm/connection/direct/open-direct.js';
import { GuardedPool } from '../dist/esm/connection/guard.js';
import { SharedConnection } from '../dist/esm/connection/pools.js';
import { RedisStore, redisStore } from '../dist/esm/index.js';
import { between } from './faults/report.mjs';
import { BareSocket } from './limit.mjs';

const inFlight = 512;
const ttl = 600_000;
const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: 'x'.repeat(105) };
const keys = Array.from({ length: inFlight }, (_, i) => `key:${i}`);
const hundred = keys.slice(0, 100);

/** For each work how a sender of commands does it. */
const byCommands = (send) => ({
  get: async (key) => JSON.parse(await send(['GET', key])),
  set: (key) => send(['SET', key, JSON.stringify(value), 'PX', String(ttl)]),
  mget: async () => (await send(['MGET', ...hundred])).map((text) => JSON.parse(text)),
  del: (key) => send(['UNLINK', key]),
});

async function floorsOver(connectionOf, options) {
  const bounds = { livenessTimeout: 2000 };
  const connection = connectionOf(bounds);
  const guard = new GuardedPool(new SharedConnection(() => connection), { timeout: 1000, breaker: {}, maxPending: 1_000_000 });
  const commands = batching(redisCommands(guard));
  const store = redisStore({ ...options, ttl });
  const near = redisStore({ ...options, ttl, near: {} });
  const tagged = redisStore({ ...options, ttl, tags: true });
  const { reader, writer } = RedisStore.partsOf(store).cache;
  await Promise.all([connection.ready(), store.ready(), near.ready(), tagged.ready()]);
  await tagged.mset(
    keys.map((key) => [`tagged:${key}`, value]),
    { tags: ['tag'] },
  );
  await Promise.all([near, near].map((each) => each.mget(...keys)));
  return {
    connection: byCommands((args) => connection.send(args)),
    guard: byCommands((args) => guard.send(args)),
    commands: {
      get: async (key) => JSON.parse((await commands.get(key)).payload),
      set: (key) => commands.set(key, JSON.stringify(value), ttl),
      mget: async () => (await commands.getMany(hundred)).map(({ payload }) => JSON.parse(payload)),
      del: (key) => commands.unlink([key], { counted: false }),
    },
    cache: {
      get: (key) => reader.get(key),
      set: (key) => writer.set(key, value, undefined),
      mget: () => reader.getMany(hundred),
      del: (key) => writer.unlink([key], 'del'),
    },
    store: {
      get: (key) => store.get(key),
      set: (key) => store.set(key, value),
      mget: () => store.mget(...hundred),
      del: (key) => store.del(key),
      'getOrSet, a hit': (key) => store.getOrSet(key, () => value),
      'near hit': (key) => near.get(key),
      'tagged get': (key) => tagged.get(`tagged:${key}`),
    },
  };
}

async function block(work, rounds) {
  for (let i = 0; i < rounds; i++) await Promise.all(keys.map(work));
}

const median = (figures) => [...figures].sort((one, other) => one - other)[figures.length >> 1];

/** Figures of one process: microseconds of CPU a call, and bytes that it allocates. */
async function measure(port, blocks) {
  const server = { socket: { host: '127.0.0.1', port } };
  const quiet = () => {};
  const limit = await BareSocket.open({ port });
  const floors = {
    'the limit': { 'bare socket': byCommands((args) => limit.send(args)) },
    'node-redis': await floorsOver((bounds) => openClient(server, bounds, quiet), { location: `127.0.0.1:${port}` }),
    'our own parser': await floorsOver((bounds) => openDirect(server, 'auto', bounds, quiet), {
      location: `127.0.0.1:${port}`,
      parser: 'auto',
    }),
  };
  await block((key) => limit.send(['SET', key, JSON.stringify(value), 'PX', String(ttl)]), 1);
  const runs = Object.entries(floors).flatMap(([over, each]) =>
    Object.entries(each).flatMap(([floor, works]) => Object.entries(works).map(([work, run]) => ({ over, floor, work, run, cpu: [] }))),
  );
  // What is deleted is there again before it is read.
  const ordered = [...runs.filter(({ work }) => work !== 'del'), ...runs.filter(({ work }) => work === 'del')];
  for (let i = -3; i < blocks; i++) {
    await block((key) => limit.send(['SET', key, JSON.stringify(value), 'PX', String(ttl)]), 1);
    for (const each of ordered) {
      const rounds = each.work === 'mget' ? 1 : 4;
      const before = process.cpuUsage();
      await block(each.run, rounds);
      const { user, system } = process.cpuUsage(before);
      if (i >= 0) each.cpu.push((user + system) / rounds / inFlight);
    }
  }
  for (const each of ordered) {
    if (each.work !== 'del') await block((key) => limit.send(['SET', key, JSON.stringify(value), 'PX', String(ttl)]), 1);
    const rounds = each.work === 'mget' ? 1 : 4;
    gc();
    const before = process.memoryUsage().heapUsed;
    await block(each.run, rounds);
    each.bytes = (process.memoryUsage().heapUsed - before) / rounds / inFlight;
  }
  return runs.map(({ over, floor, work, cpu, bytes }) => ({ over, floor, work, cpu: median(cpu), bytes }));
}

/** The table of the page: of each floor CPU as a multiple of the limit (and the range of the processes), and bytes. */
function table(results) {
  const works = [...new Set(results.flatMap((run) => run.map(({ work }) => work)))];
  const floors = [...new Set(results[0].map(({ over, floor }) => `${over}|${floor}`))];
  const find = (run, key, work) => run.find((each) => `${each.over}|${each.floor}` === key && each.work === work);
  const cell = (key, work) => {
    const cells = results.map((run) => ({ ...find(run, key, work), limit: find(run, 'the limit|bare socket', work) }));
    if (cells.some(({ cpu }) => cpu === undefined)) return '';
    const bytes = `${Math.round(median(cells.map((each) => each.bytes)) / 10) * 10} B`;
    if (!cells[0].limit) return `${median(cells.map(({ cpu }) => cpu)).toFixed(2)} µs, ${bytes}`;
    const ratios = cells.map(({ cpu, limit }) => cpu / limit.cpu).sort((one, other) => one - other);
    return `${median(ratios).toFixed(2)} (${ratios[0].toFixed(2)}–${ratios.at(-1).toFixed(2)}), ${bytes}`;
  };
  const rows = floors.map((key) => `| ${[...key.split('|'), ...works.map((work) => cell(key, work))].join(' | ')} |`);
  return [`| over | floor | ${works.join(' | ')} |`, `| ${['', '', ...works].map(() => '---').join(' | ')} |`, ...rows].join('\n');
}

const script = fileURLToPath(import.meta.url);
const [mode, port, blocks] = process.argv.slice(2);
if (mode === 'one') {
  console.log(JSON.stringify(await measure(Number(port), Number(blocks))));
  process.exit();
}

const quick = mode === '--quick';
const own = 20_000 + Math.floor(Math.random() * 10_000);
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(own), '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
process.once('exit', () => server.kill());
await sleep(500);
const results = [];
for (let i = 0; i < (quick ? 1 : 5); i++) {
  const args = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64', script, 'one', String(own), quick ? '5' : '25'];
  results.push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })));
}
console.log(table(results));
if (!quick) {
  const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
  writeFileSync(new URL('results/floors.json', import.meta.url), JSON.stringify(results, null, 2));
  writeFileSync(page, between(readFileSync(page, 'utf8'), table(results), 'bench:floors'));
}
server.kill();
