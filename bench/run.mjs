// npm run bench: every contender in a process of its own, in turn and in interleaved rounds, against one real Redis, over TCP,
// and get and set over a unix socket. `-- --rounds 3 --ms 300` for a shorter look at the whole grid, `-- --only pool` for some contenders,
// `-- --point 'set, 200 B, 512'` for some points. Writes bench/results/benchmark.json, docs/benchmark.md and the charts. `-- --quick` ends within two minutes.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { contenders } from './contenders.mjs';
import { report } from './report.mjs';
import { withSummaries } from './summary.mjs';

const quick = process.argv.includes('--quick');
const value = (name) => process.argv[process.argv.indexOf(name) + 1];
const only = process.argv.includes('--only') ? new RegExp(value('--only')) : /^(?!.*pool)/i;
const point = process.argv.includes('--point') ? new RegExp(value('--point')) : undefined;
const folders = quick || point ? undefined : { results: 'bench/results', pages: 'docs' };
const output = process.argv.includes('--out') ? { results: value('--out'), pages: value('--out') } : folders;

/** What is measured: the full grid, or the few points that a regression would show at. */
const works = ['get', 'miss', 'set', 'mget', 'mset', 'wrap'];
const plan = quick
  ? { rounds: 3, milliseconds: 200, points: { tcp: grid(['get', 'set'], [200], [1, 512]) } }
  : {
      rounds: process.argv.includes('--rounds') ? Number(value('--rounds')) : 5,
      milliseconds: process.argv.includes('--ms') ? Number(value('--ms')) : 500,
      points: {
        tcp: [...grid(works, [200], [1, 32, 512]), ...grid(['get', 'set'], [1024, 65_536, 1_048_576], [32])],
        unix: grid(['get', 'set'], [200], [1, 512]),
      },
    };

function grid(chosen, sizes, loads) {
  return chosen
    .flatMap((work) =>
      sizes.flatMap((bytes) => loads.map((inFlight) => ({ work, bytes, inFlight: many(work) ? Math.min(inFlight, 32) : inFlight }))),
    )
    .filter((point, i, all) => all.findIndex((other) => JSON.stringify(other) === JSON.stringify(point)) === i);
}

function many(work) {
  return work === 'mget' || work === 'mset';
}

const folder = mkdtempSync(join(tmpdir(), 'redis-tier-bench-'));
const port = 20_000 + Math.floor(Math.random() * 20_000);
const path = join(folder, 'redis.sock');
const binary = process.env.REDIS_SERVER ?? 'redis-server';
const server = spawn(binary, ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', path, '--save', '', '--dir', folder], {
  stdio: 'ignore',
});
process.once('exit', () => {
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
await new Promise((resolve) => setTimeout(resolve, 500));

const titles = Object.keys(contenders).filter((title, i) => i === 0 || only.test(title));
const results = [];
for (const [transport, every] of Object.entries(plan.points)) {
  const points = point ? every.filter((each) => point.test(describe(each))) : every;
  const workers = new Map();
  for (const title of titles) workers.set(title, await start(title, transport === 'unix' ? { path } : { port }));
  for (const [i, each] of points.entries()) {
    progress(`${transport} ${i + 1}/${points.length} ${describe(each)}`);
    const rounds = new Map(titles.map((title) => [title, []]));
    for (let round = 0; round < plan.rounds; round++) {
      // Each round begins with another contender, so that none is always the first after a pause.
      for (let turn = 0; turn < titles.length; turn++) {
        const title = titles[(turn + round) % titles.length];
        // It takes the pieces of a reply of 32 MiB up again and again.
        if (/gathers/.test(title) && each.bytes >= 1_048_576) continue;
        const measured = await ask(workers.get(title), { ...each, milliseconds: plan.milliseconds });
        if (measured.error) throw new Error(`${title}, ${describe(each)}: ${measured.error}`);
        if (!measured.skipped) rounds.get(title).push(measured);
      }
    }
    for (const [title, measured] of rounds) if (measured.length > 0) results.push({ transport, ...each, title, ...summary(measured) });
  }
  for (const worker of workers.values()) worker.kill();
}
progress('');

const { version: redisClient } = createRequire(import.meta.url)('@redis/client/package.json');
const about = {
  node: process.version,
  nodeRedis: redisClient,
  server: await serverVersion(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  rounds: plan.rounds,
  milliseconds: plan.milliseconds,
};
const { json, markdown, charts } = report({ about, limit: titles[0], results });
console.log(markdown);
if (output) {
  writeFileSync(join(output.results, 'benchmark.json'), json);
  writeFileSync(join(output.pages, 'benchmark.md'), markdown);
  for (const [name, svg] of Object.entries(charts)) writeFileSync(join(output.pages, `benchmark-${name}.svg`), svg);
  const page = join(output.pages, 'performance.md');
  if (existsSync(page)) writeFileSync(page, withSummaries(readFileSync(page, 'utf8'), results));
}
process.exit(0);

async function start(title, target) {
  const worker = fork(new URL('worker.mjs', import.meta.url).pathname, [title, JSON.stringify(target)], { execArgv: ['--expose-gc'] });
  await once(worker, 'message');
  return worker;
}

async function ask(worker, message) {
  const [answer] = await Promise.all([once(worker, 'message'), worker.send(message)]);
  return answer[0];
}

/** Median and spread over the rounds. */
function summary(measured) {
  const of = (figure) => {
    const sorted = measured.map((each) => each[figure]).sort((a, b) => a - b);
    return { median: sorted[Math.floor(sorted.length / 2)], min: sorted[0], max: sorted.at(-1) };
  };
  return { ops: of('opsPerSecond'), cpu: of('cpuPerOp'), p50: of('p50'), p99: of('p99') };
}

function describe({ work, bytes, inFlight }) {
  return `${work}, ${bytes} B, ${inFlight} in flight`;
}

function progress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else if (line) console.error(line);
}

async function serverVersion() {
  const child = spawn(binary, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [data] = await once(child.stdout, 'data');
  return String(data).split(' sha=')[0].trim();
}
