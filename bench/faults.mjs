// npm run bench:faults: each store under each fault, each time in a process of its own against a real Redis of its own. Writes
// bench/results/reliability.json, the table in docs/reliability.md and docs/reliability.svg.
//
//   --cap 6            seconds a call has to settle in, and to recover in, before it counts as hanging
//   --jobs 4           how many are measured at the same time
//   --only bento       some contenders, --fault 'freeze|kill' some faults: prints, writes nothing
//   --topology cluster the faults of server, cluster or sentinel only: prints, writes nothing
//   --out folder       where to write all of it
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Candidate } from './faults/candidate.mjs';
import { chart } from './faults/chart.mjs';
import { available, contenders } from './faults/contenders.mjs';
import { faults } from './faults/faults.mjs';
import { between, tables } from './faults/report.mjs';
import { serverVersion } from './faults/server.mjs';
import { topologies, worlds } from './faults/worlds.mjs';

const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const cap = Number(option('--cap') ?? 6) * 1000;
const sample = 3000;
const jobs = Number(option('--jobs') ?? 4);
const part = ['--only', '--fault', '--topology'].some((name) => process.argv.includes(name));
const folders = part ? undefined : { results: 'bench/results', pages: 'docs' };
const output = option('--out') ? { results: option('--out'), pages: option('--out') } : folders;

const titles = (await available()).filter((title) => new RegExp(option('--only') ?? '', 'i').test(title));
const chosen = faults.filter(
  ({ name, topology }) => new RegExp(option('--fault') ?? '').test(name) && new RegExp(option('--topology') ?? '').test(topology),
);
const cells = chosen.flatMap((fault) => titles.map((title) => ({ fault, title })));

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const results = new Array(cells.length);
let next = 0;
let done = 0;
await Promise.all(
  Array.from({ length: jobs }, async () => {
    while (next < cells.length) {
      const i = next++;
      const { fault, title } = cells[i];
      const offered = fault.topology in contenders[title];
      results[i] = {
        topology: fault.topology,
        fault: fault.name,
        title,
        ...(offered ? await twice(() => measure(fault, title)) : { offered }),
      };
      console.error(`${++done}/${cells.length} ${fault.title}: ${title}${results[i].crash ? `: ended: ${results[i].crash}` : ''}`);
    }
  }),
);

const about = {
  node: process.version,
  nodeRedis: createRequire(import.meta.url)('@redis/client/package.json').version,
  server: serverVersion(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  cap,
  sample,
};
const known = chosen.map(({ name, title, about, topology }) => ({ name, title, about, topology }));
const found = { about, topologies, faults: known, results };
// The page and the chart show what the data says, which is rounded.
const json = `${JSON.stringify(found, rounded, 2)}\n`;
const shown = JSON.parse(json);
const markdown = tables(shown);
console.log(markdown);
if (output) {
  const page = join(output.pages, 'reliability.md');
  writeFileSync(join(output.results, 'reliability.json'), json);
  writeFileSync(page, between(readFileSync(page, 'utf8'), markdown));
  writeFileSync(join(output.pages, 'reliability.svg'), chart(shown));
}
process.exit(0);

/** For the file: three decimals say enough. */
function rounded(_key, value) {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

/** What fails here is the setting (servers that did not start, a replica nobody promoted) and no result. */
async function twice(measuring) {
  try {
    return await measuring();
  } catch (error) {
    console.error(`once more: ${error.message}`);
    return measuring();
  }
}

/** One contender under one fault. Its process may end at any step: then what was seen before that is the result. */
async function measure(fault, title) {
  const world = await worlds[fault.topology](fault);
  const candidate = new Candidate(title, world.target);
  let stop;
  const seen = {};
  try {
    await candidate.ask('ready');
    if (fault.absent) await candidate.ask('open', {});
    else {
      await candidate.ask('open', { wait: true });
      await candidate.ask('run');
      await pause(1500);
    }
    await candidate.ask('begin', { sample });
    const start = performance.now();
    stop = await fault.begin(world, candidate);
    const recovery = fault.promotes ? recoveryFromPromotion(world, candidate, start) : undefined;
    // Where the process ends before, nobody waits for it.
    recovery?.catch(() => {});
    await Promise.race([pause(sample + cap), candidate.gone]);
    seen.under = await candidate.ask('over');
    stop?.();
    stop = undefined;
    if (recovery) Object.assign(seen, await recovery);
    await fault.end(world);
    // The load goes on: what was lost with the old primary shall be seen.
    if (recovery) await pause(2000);
    else seen.recovery = await candidate.ask('recover', { within: cap });
    seen.after = await candidate.ask('end');
  } catch (error) {
    if (!candidate.ended) throw error;
    seen.crash = await candidate.gone;
  } finally {
    stop?.();
    candidate.kill();
    world.close();
  }
  return seen;
}

/** The fault lasts. The calls in it go on, and their figures are taken as always. */
async function recoveryFromPromotion(world, candidate, start) {
  const late = pause(30_000, 'late', { ref: false });
  if ((await Promise.race([world.group.promoted(), late, candidate.gone])) === 'late') throw new Error('no replica was promoted');
  const promoted = performance.now() - start;
  return { promoted, recovery: await candidate.ask('recover', { within: cap }) };
}
