// What a value costs that is made: `npm run bench:loads`. 10 000 keys that nothing is stored under are loaded, 200 at a time, by a function
// that returns at once. Every contender has a process of its own in each of five rounds, which begin with another one. Figures are medians
// with the range of the rounds. `--quick`: one round, and nothing is written.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { caching } from 'cache-manager5';
import { redisStore } from 'redis-tier';
import { bento } from './contenders.mjs';
import { between } from './faults/report.mjs';

const [loads, inFlight, ttl] = [10_000, 200, 600_000];
const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: 'x'.repeat(105) };
const make = async () => value;

const ours =
  (options, how = {}) =>
  async (location) => {
    const store = redisStore({ location, ...options });
    await store.ready();
    return (key) => store.getOrSet(key, make, { ttl, ...how });
  };

/** For each contender a function that loads a key. The first is what the others are compared with. */
const contenders = {
  'bentocache, Redis only': async (location) => {
    const [host, port] = location.split(':');
    const cache = await bento({ host, port: Number(port) });
    return (key) => cache.wrap(key, make);
  },
  'redis-tier': ours({}),
  'redis-tier, tagged': ours({ tags: true }, { tags: ['tag'] }),
  'redis-tier, near': ours({ near: {} }),
  'redis-tier, near and tagged': ours({ near: {}, tags: true }, { tags: ['tag'] }),
  'redis-tier, lease: false': ours({}, { lease: false }),
  'redis-tier, parser auto': ours({ parser: 'auto' }),
  'cache-manager 5 on redis-tier, wrap': async (location) => {
    const cache = await caching(redisStore({ location }));
    return (key) => cache.wrap(key, make, ttl);
  },
};

async function measure(name, location) {
  const load = await contenders[name](location);
  const run = async (prefix, count) => {
    let next = 0;
    const loop = async () => {
      while (next < count) await load(`${prefix}:${next++}`);
    };
    await Promise.all(Array.from({ length: inFlight }, loop));
  };
  // What is measured is a process that has run for a while. A forced collection drops optimized code.
  await run(`warm:${process.pid}`, 2 * loads);
  gc();
  await run(`again:${process.pid}`, 2 * loads);
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await run(`load:${process.pid}`, loads);
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (loads / (performance.now() - start)) * 1000, cpu: (user + system) / loads };
}

const script = fileURLToPath(import.meta.url);
const [mode, location, name] = process.argv.slice(2);
if (mode === 'one') {
  console.log(JSON.stringify(await measure(name, location)));
  process.exit();
}

const rounds = mode === '--quick' ? 1 : 5;
const port = 20_000 + Math.floor(Math.random() * 10_000);
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
process.once('exit', () => server.kill('SIGKILL'));
await sleep(500);
const names = Object.keys(contenders);
const results = Object.fromEntries(names.map((each) => [each, []]));
for (let round = 0; round < rounds; round++) {
  for (const turn of names.keys()) {
    const each = names[(turn + round) % names.length];
    const output = execFileSync(process.execPath, ['--expose-gc', script, 'one', `127.0.0.1:${port}`, each], { encoding: 'utf8' });
    results[each].push(JSON.parse(output));
  }
}
console.log(table(results));
if (mode !== '--quick') {
  const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
  writeFileSync(new URL('results/loads.json', import.meta.url), JSON.stringify(results, null, 2));
  writeFileSync(page, between(readFileSync(page, 'utf8'), table(results), 'bench:loads'));
}
process.exit();

function table(all) {
  const peer = all[names[0]];
  const cell = (figures, digits) => {
    const [least, median, most] = quantiles(figures).map((figure) => figure.toLocaleString('en-US', { maximumFractionDigits: digits }));
    return `${median} (${least}–${most})`;
  };
  const rows = Object.entries(all).map(([each, figures]) => {
    const ratios = figures.map(({ perSecond }, round) => perSecond / peer[round].perSecond);
    return `| ${each} | ${cell(
      figures.map(({ perSecond }) => perSecond),
      0,
    )} | ${cell(ratios, 2)} | ${cell(
      figures.map(({ cpu }) => cpu),
      1,
    )} |`;
  });
  return ['| | loads/s | × bentocache | CPU µs a load |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function quantiles(figures) {
  const sorted = [...figures].sort((one, other) => one - other);
  return [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
}
