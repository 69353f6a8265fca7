// What it costs to import the package: `npm run bench:import`. Each entry in each format beside @redis/client alone, in fresh processes, in turn.
// `-- --rounds 25`. Writes bench/results/import.json and its table in docs/performance.md.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { between } from './faults/report.mjs';

const rounds = process.argv.includes('--rounds') ? Number(process.argv[process.argv.indexOf('--rounds') + 1]) : 25;
const root = fileURLToPath(new URL('..', import.meta.url));
const [base, ...entries] = ['@redis/client', 'redis-tier', 'redis-tier/keyv', 'redis-tier/otel'];

/** A program for each format: imports a module, and prints the milliseconds of the clock and of the processor that took. */
const program = (load) =>
  `const cpu = process.cpuUsage(), start = performance.now(); ${load}; const time = performance.now() - start, { user, system } = process.cpuUsage(cpu);` +
  'console.log(JSON.stringify({ time, cpu: (user + system) / 1000 }))';
const formats = {
  'ES modules': (name) => ['--input-type=module', '-e', program(`await import('${name}')`)],
  CommonJS: (name) => ['-e', program(`require('${name}')`)],
};

const run = (args) => JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }));
const median = (figures) => figures.toSorted((one, other) => one - other)[figures.length >> 1];
const summary = (figures) => ({ median: median(figures), least: Math.min(...figures), greatest: Math.max(...figures) });

const results = Object.entries(formats).flatMap(([format, args]) => {
  const runs = new Map([base, ...entries].map((name) => [name, []]));
  // The first round fills the caches of the file system.
  for (let round = -1; round < rounds; round++) {
    const names = [...runs.keys()];
    for (const name of round % 2 === 0 ? names : names.reverse()) {
      const figures = run(args(name));
      if (round >= 0) runs.get(name).push(figures);
    }
  }
  return [...runs].map(([name, figures]) => ({
    format,
    name,
    time: summary(figures.map(({ time }) => time)),
    cpu: summary(figures.map(({ cpu }) => cpu)),
    // Of the medians: in a pair of runs, what else the machine does may hit either.
    ratio: median(figures.map(({ cpu }) => cpu)) / median(runs.get(base).map(({ cpu }) => cpu)),
  }));
});

const cell = ({ median, least, greatest }) => `${median.toFixed(0)} (${least.toFixed(0)}–${greatest.toFixed(0)})`;
const row = ({ format, name, time, cpu, ratio }) =>
  `| \`${name}\` | ${format} | ${cell(cpu)} | ${cell(time)} | ${name === base ? '' : ratio.toFixed(2)} |`;
const table = ['| | | ms of CPU | ms | CPU, of `@redis/client` alone |', '| --- | --- | --- | --- | --- |', ...results.map(row)].join('\n');
console.log(table);
if (!process.argv.includes('--dry')) {
  const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, rounds };
  const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
  writeFileSync(new URL('results/import.json', import.meta.url), `${JSON.stringify({ about, results }, null, 1)}\n`);
  writeFileSync(page, between(readFileSync(page, 'utf8'), table, 'bench:import'));
}
