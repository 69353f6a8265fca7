// npm run bench:scale: how costs grow with keys, processes, tags and connections, and what that means for a large fleet. Each part measures by
// itself and adds its figures to bench/results/scale.json, from which docs/scale.md and its charts are written.
//
// `-- --part keys,near`: these parts only. `--quick`: small, in about two minutes; `--trial`: the machine is busy; the page says so of both.
// `--draw`: nothing is measured.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { between } from './faults/report.mjs';
import { parts, report } from './scale/report.mjs';

// Servers and processes are ended when this process exits, and a signal alone is no exit.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

const root = new URL('../', import.meta.url);
const file = new URL('bench/results/scale.json', root);
const quick = process.argv.includes('--quick');
const asked = process.argv.includes('--part') ? process.argv[process.argv.indexOf('--part') + 1].split(',') : parts;
const unknown = asked.filter((part) => !parts.includes(part));
if (unknown.length > 0) throw new Error(`expected parts of ${parts.join(', ')}, got ${unknown.join(', ')}`);

const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
if (!process.argv.includes('--draw')) {
  const version = execFileSync(process.env.REDIS_SERVER ?? 'redis-server', ['--version'], { encoding: 'utf8' });
  const about = {
    quick,
    trial: quick || process.argv.includes('--trial'),
    node: process.version,
    server: /v=([\d.]+)/.exec(version)?.[1] ?? version.trim(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
  };
  const start = performance.now();
  for (const part of asked) {
    const log = (words) => console.log(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${part}: ${words}`);
    const { measure } = await import(`./scale/${part}.mjs`);
    results[part] = { about, ...(await measure({ quick, log })) };
    writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  }
}

const { texts, charts } = report(results);
const page = new URL('docs/scale.md', root);
let markdown = readFileSync(page, 'utf8');
for (const [name, words] of Object.entries(texts)) markdown = between(markdown, words, name);
writeFileSync(page, markdown);
for (const [name, svg] of Object.entries(charts)) writeFileSync(new URL(`docs/scale-${name}.svg`, root), svg);
process.exit(0);
