// What each floor costs, from the connection to the store: `npm run bench:floors`. Every floor has processes of its own, over node-redis and
// over our own parser, and does the same work with the same values in turn with a bare pipelined socket with native JSON: CPU is that of the
// whole process, as a multiple of the bare socket's. Memory is what a call allocates, counted while no collection runs.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { batching } from '../.cache/modules/commands/batching.js';
import { redisCommands } from '../.cache/modules/commands/redis.js';
import { openClient } from '../.cache/modules/connection/client/open-client.js';
import { openDirect } from '../.cache/modules/connection/direct/open-direct.js';
import { GuardedPool } from '../.cache/modules/connection/guard.js';
import { SharedConnection } from '../.cache/modules/connection/pools.js';
import { RedisStore, redisStore } from '../.cache/modules/index.js';
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

/** The answer is the reply. */
const asItIs = { read: (reply) => reply };

/** For each floor how it does the works, once it is connected. */
const floors = {
  'bare socket': async ({ limit }) => byCommands((args) => limit.send(args)),
  async connection({ open }) {
    const connection = open();
    await connection.ready();
    return byCommands((args) => connection.send(args));
  },
  async guard(over) {
    const pool = await guarded(over);
    return byCommands((args) => pool.sendAlone(args, asItIs));
  },
  async commands(over) {
    const commands = batching(redisCommands(await guarded(over)));
    return {
      get: async (key) => JSON.parse((await commands.get(key)).payload),
      set: (key) => commands.set(key, JSON.stringify(value), ttl),
      mget: async () => (await commands.getMany(hundred)).map(({ payload }) => JSON.parse(payload)),
      del: (key) => commands.unlink([key], { counted: false }),
    };
  },
  async cache({ options }) {
    const { reader, writer } = RedisStore.partsOf(await ready(redisStore({ ...options, ttl }))).cache;
    return {
      get: (key) => reader.get(key),
      set: (key) => writer.set(key, value, undefined),
      mget: () => reader.getMany(hundred),
      del: (key) => writer.unlink([key]),
    };
  },
  async store({ options }) {
    const store = await ready(redisStore({ ...options, ttl }));
    return {
      get: (key) => store.get(key),
      set: (key) => store.set(key, value),
      mget: () => store.mget(...hundred),
      del: (key) => store.del(key),
      'getOrSet, a hit': (key) => store.getOrSet(key, () => value),
    };
  },
  async 'store with tags'({ options }) {
    const store = await ready(redisStore({ ...options, ttl, tags: true, prefix: 'tagged' }));
    await store.mset(
      keys.map((key) => [key, value]),
      { tags: ['tag'] },
    );
    return { get: (key) => store.get(key) };
  },
  async 'store with near'({ options }) {
    const store = await ready(redisStore({ ...options, ttl, near: {} }));
    await store.mset(keys.map((key) => [key, value]));
    for (let i = 0; i < 2; i++) await store.mget(...keys);
    return { get: (key) => store.get(key) };
  },
};

async function ready(store) {
  await store.ready();
  return store;
}

async function guarded({ open }) {
  const connection = open();
  await connection.ready();
  return new GuardedPool(new SharedConnection(() => connection), { timeout: 1000, breaker: {}, maxPending: 1_000_000 });
}

async function block(work, rounds) {
  for (let i = 0; i < rounds; i++) await Promise.all(keys.map(work));
}

const median = (figures) => [...figures].sort((one, other) => one - other)[figures.length >> 1];

/** Figures of one floor: CPU of a call as a multiple of the limit's, which does as much in turn, and bytes that it allocates. */
async function measure(port, over, floor, blocks) {
  const limit = await BareSocket.open({ port });
  const server = { socket: { host: '127.0.0.1', port } };
  const bounds = { livenessTimeout: 2000 };
  const quiet = () => {};
  const isOurs = over === 'our own parser';
  const open = () => (isOurs ? openDirect(server, 'auto', bounds, quiet) : openClient(server, bounds, quiet));
  const options = { location: `127.0.0.1:${port}`, ...(isOurs ? { parser: 'auto' } : {}) };
  const bare = byCommands((args) => limit.send(args));
  const works = await floors[floor]({ limit, open, options });
  /** What is read or deleted is there, under the keys of the limit and of the floor. */
  const fill = async () => {
    await block(bare.set, 1);
    if (works.set) await block(works.set, 1);
  };
  await fill();
  const figures = {};
  for (const [work, run] of Object.entries(works)) {
    const rounds = work === 'mget' ? 2 : 8;
    const beside = bare[work] ?? bare.get;
    const cost = async (each) => {
      await fill();
      const before = process.cpuUsage();
      await block(each, rounds);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / rounds / inFlight;
    };
    const [own, bareOnes] = [[], []];
    for (let i = -4; i < blocks; i++) {
      const pair = i % 2 === 0 ? [await cost(run), await cost(beside)] : [await cost(beside), await cost(run)].reverse();
      if (i < 0) continue;
      own.push(pair[0]);
      bareOnes.push(pair[1]);
    }
    await fill();
    gc();
    const before = process.memoryUsage().heapUsed;
    await block(run, 1);
    const bytes = (process.memoryUsage().heapUsed - before) / inFlight;
    figures[work] = { ratio: median(own) / median(bareOnes), cpu: median(own), bytes };
  }
  return figures;
}

/** The table of the page: of each floor CPU as a multiple of the limit with the range of the rounds, and bytes. */
function table(results) {
  const works = [...new Set(Object.values(results[0]).flatMap((figures) => Object.keys(figures)))];
  const cell = (name, work) => {
    const found = results.flatMap((round) => round[name][work] ?? []);
    if (found.length === 0) return '';
    const ratios = found.map(({ ratio }) => ratio).sort((one, other) => one - other);
    const [least, most] = [ratios[0], ratios.at(-1)].map((ratio) => ratio.toFixed(2));
    return `${median(ratios).toFixed(2)} (${least}–${most}), ${(median(found.map(({ bytes }) => bytes)) / 1000).toFixed(1)} kB`;
  };
  const rows = Object.keys(results[0]).map((name) => `| ${[name, ...works.map((work) => cell(name, work))].join(' | ')} |`);
  return [`| | ${works.join(' | ')} |`, `| ${['', ...works].map(() => '---').join(' | ')} |`, ...rows].join('\n');
}

const script = fileURLToPath(import.meta.url);
const [mode, port, over, floor, blocks] = process.argv.slice(2);
if (mode === 'one') {
  console.log(JSON.stringify(await measure(Number(port), over, floor, Number(blocks))));
  process.exit();
}

const quick = mode === '--quick';
const own = 20_000 + Math.floor(Math.random() * 10_000);
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(own), '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
process.once('exit', () => server.kill());
await sleep(500);
const flags = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
const results = [];
for (let round = 0; round < (quick ? 1 : 3); round++) {
  const figures = {};
  for (const each of ['node-redis', 'our own parser'])
    for (const name of Object.keys(floors)) {
      // The near tier needs node-redis, and the bare socket is neither.
      if (each === 'our own parser' && ['bare socket', 'store with near'].includes(name)) continue;
      const args = [...flags, script, 'one', String(own), each, name, quick ? '3' : '6'];
      const output = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
      figures[name === 'bare socket' ? name : `${name}, ${each}`] = JSON.parse(output);
    }
  results.push(figures);
}
console.log(table(results));
if (!quick) {
  const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
  writeFileSync(new URL('results/floors.json', import.meta.url), JSON.stringify(results, null, 2));
  writeFileSync(page, between(readFileSync(page, 'utf8'), table(results), 'bench:floors'));
}
server.kill();
