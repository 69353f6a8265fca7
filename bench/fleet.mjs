// npm run bench:fleet: fleets of clients lose their server, whose handshakes cost time one after the other, and come back. Writes the
// table in docs/reliability.md and docs/fleet.svg. `-- --rounds 3`; with `--dry` it only prints.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { between } from './faults/report.mjs';
import { chart } from './fleet/chart.mjs';

const rounds = process.argv.includes('--rounds') ? Number(process.argv[process.argv.indexOf('--rounds') + 1]) : 3;
const contenders = ['redis-tier', 'node-redis'];
/** Clients, and milliseconds of the server for each handshake. */
const fleets = [
  [100, 20],
  [1000, 5],
  [10_000, 1],
];
const faults = { cut: 'all connections cut', stall: 'stalls for 2.5 s' };

const cell = fileURLToPath(new URL('fleet/cell.mjs', import.meta.url));
const measure = (...args) => JSON.parse(execFileSync(process.execPath, [cell, ...args.map(String)], { encoding: 'utf8' }));

// What stalls is as quick for all sizes, and the largest takes minutes.
const rows = fleets.flatMap(([clients, cost]) =>
  Object.entries(clients > 1000 ? { cut: faults.cut } : faults).map(([fault, name]) => ({
    fault,
    name,
    clients,
    cost,
    ideal: fault === 'cut' ? (clients * cost) / 1000 : 2.5,
    found: Object.fromEntries(contenders.map((contender) => [contender, []])),
  })),
);
for (let round = 0; round < rounds; round++) {
  for (const { fault, clients, cost, found } of rows) {
    for (const contender of contenders) {
      const result = measure(contender, fault, clients, cost);
      console.log(`${contender}, ${clients} clients, ${fault}: ${JSON.stringify(result)}`);
      found[contender].push(result);
    }
  }
}

const spread = (list) => {
  const [least, median, most] = [0, list.length >> 1, list.length - 1].map((at) => list.toSorted((a, b) => a - b)[at]);
  return { least, median, most };
};
for (const row of rows) {
  row.spreads = Object.fromEntries(
    contenders.map((contender) => [contender, spread(row.found[contender].map(({ seconds }) => seconds ?? Number.POSITIVE_INFINITY))]),
  );
}
const shown = ({ least, median, most }) => `${median.toFixed(1)} s (${least.toFixed(1)}–${most.toFixed(1)})`;
const count = (results) => spread(results.map(({ handshakes }) => handshakes)).median.toLocaleString('en');
const lines = rows.map(({ name, clients, cost, ideal, spreads, found }) => {
  const cells = contenders.flatMap((contender) => [shown(spreads[contender]), count(found[contender])]);
  return `| ${[clients.toLocaleString('en'), `${cost} ms`, name, `${ideal.toFixed(1)} s`, ...cells].join(' | ')} |`;
});
const head = ['clients', 'a handshake', 'the server', 'ideal', ...contenders.flatMap((contender) => [contender, 'handshakes'])];
const about = `${rounds} rounds: medians, and in brackets the range. Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}).`;
const markdown = `${about}\n\n| ${head.join(' | ')} |\n| ${head.map(() => '---').join(' | ')} |\n${lines.join('\n')}`;
console.log(markdown);
if (!process.argv.includes('--dry')) {
  const page = 'docs/reliability.md';
  writeFileSync(page, between(readFileSync(page, 'utf8'), markdown, 'bench:fleet'));
  writeFileSync('docs/fleet.svg', chart(rows.filter(({ fault }) => fault === 'cut')));
}
