// What it costs that a store can be watched: the build against the same build with its eyes taken out (no counters, no events, no
// channels). Pairs of the two in one process, in interleaved rounds; medians of the ratios within each round. A start is two processes:
// in each the other of the two is loaded first. `npm run bench:observing -- [--starts 3] [--rounds 5] [--ms 80]`; `-- --work 'near hit' --against nobody` for
// some of it. Writes bench/results/observing.json, where it measured all of it.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const value = (name, standard) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : standard);
const plan = { starts: Number(value('--starts', 3)), rounds: Number(value('--rounds', 5)), milliseconds: Number(value('--ms', 80)) };
const [work, against] = [value('--work', ''), new RegExp(value('--against', ''))];

/** The functions that see, by module, and what stands in for each. */
const blind = {
  'cache/recording.js': {
    recordRead: '() => {}',
    recordedCommands: '(commands) => commands',
    tracedCommands: '(commands) => commands',
  },
  'load/factory.js': { observedFactory: '(factory) => factory' },
};

/** The text of a module without its eyes. */
function blinded(text, functions) {
  return Object.entries(functions).reduce((rest, [name, substitute]) => {
    const without = rest.replace(`export function ${name}(`, `function sees${name}(`);
    if (without === rest) throw new Error(`no module exports the function ${name}: this would compare a build with itself`);
    return `${without}\nexport const ${name} = ${substitute};\n`;
  }, text);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'redis-tier-observing-'));
const builds = mkdtempSync(join(root, '.cache', 'blind-'));
for (const name of ['one', 'two']) {
  cpSync(join(root, '.cache', 'modules'), join(builds, name), { recursive: true });
  for (const [file, functions] of Object.entries(blind)) {
    const path = join(builds, name, file);
    writeFileSync(path, blinded(readFileSync(path, 'utf8'), functions));
  }
}
const [without, again, whole] = [join(builds, 'one'), join(builds, 'two'), join(root, '.cache', 'modules')];

/** By title: the build that is set against the one without, and what listens to it. */
const contenders = {
  'without, against itself': { build: again },
  'nobody listens': { build: whole },
  'events `hit`, `miss`, `set` heard': { build: whole, listen: 'events' },
  'channel `redis-tier:command` subscribed': { build: whole, listen: 'channel' },
};

const port = 20_000 + (process.pid % 20_000);
const binary = process.env.REDIS_SERVER ?? 'redis-server';
const server = spawn(binary, ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''], { stdio: 'ignore' });

try {
  await sleep(300);
  const found = new Map();
  for (let start = 0; start < plan.starts; start++) {
    for (const [title, contender] of Object.entries(contenders).filter(([title]) => against.test(title))) {
      const asked = { ...contender, without, port, work, ...plan };
      const [one, other] = [await measured({ ...asked, swapped: false }), await measured({ ...asked, swapped: true })];
      for (const [i, { work: name, rounds }] of one.entries()) {
        const starts = found.get(`${name}|${title}`) ?? [];
        found.set(`${name}|${title}`, [...starts, [rounds, other[i].rounds]]);
      }
    }
    if (process.stderr.isTTY) process.stderr.write(`\rstart ${start + 1} of ${plan.starts} `);
  }
  const results = [...found].map(([name, starts]) => {
    const [work, title] = name.split('|');
    return { work, title, cpu: summary(starts, 'cpu'), time: summary(starts, 'time'), nanoseconds: summary(starts, 'more') };
  });
  results.sort((a, b) => (a.work < b.work ? -1 : a.work > b.work ? 1 : 0));
  const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, ...plan };
  console.log(`${plan.starts} starts, ${plan.rounds} rounds of ${plan.milliseconds} ms; ratios to the build that sees nothing\n`);
  console.log('| | | CPU | time | CPU ns more per call |\n| --- | --- | --- | --- | --- |');
  const ratio = ({ median, least, most }) => `${median.toFixed(3)} (${least.toFixed(3)}–${most.toFixed(3)})`;
  for (const { work, title, cpu, time, nanoseconds: more } of results) {
    const nanoseconds = `${more.median.toFixed(0)} (${more.least.toFixed(0)}–${more.most.toFixed(0)})`;
    console.log(`| ${work} | ${title} | ${ratio(cpu)} | ${ratio(time)} | ${nanoseconds} |`);
  }
  if (work === '' && !process.argv.includes('--against'))
    writeFileSync(join(root, 'bench', 'results', 'observing.json'), `${JSON.stringify({ about, results }, null, 1)}\n`);
} finally {
  server.kill('SIGKILL');
  await once(server, 'exit');
  for (const each of [folder, builds]) rmSync(each, { recursive: true, force: true });
}

/** The rounds of one process, work by work. */
async function measured(message) {
  const child = fork(new URL('observing-pair.mjs', import.meta.url), { execArgv: ['--expose-gc'] });
  child.send(message);
  const [answer] = await once(child, 'message');
  child.disconnect();
  await once(child, 'exit');
  if (answer.error) throw new Error(answer.error);
  return answer.works;
}

/** Of a start, the mean of the medians of its two processes; the median of the starts, the least and the most. */
function summary(starts, figure) {
  const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
  const mean = (one, other) => (figure === 'more' ? (one + other) / 2 : Math.sqrt(one * other));
  const each = starts.map((pair) => mean(...pair.map((rounds) => median(rounds.map((round) => round[figure])))));
  return { median: median(each), least: Math.min(...each), most: Math.max(...each) };
}
