// npm run test:fuzz: random bytes, keys, patterns and options against what reads them. `--seed N` repeats a run, `--minutes N` makes
// it longer than two minutes, other arguments go to mocha.
import { parseArgs } from 'node:util';
import { bin, installPackages, must } from './setup.mjs';

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, minutes: { type: 'string', default: '2' }, grep: { type: 'string' } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(values.minutes);
if (!Number.isInteger(seed) || !(minutes > 0)) {
  console.error('expected --seed to be an integer, and --minutes a number above 0');
  process.exit(1);
}

installPackages();
console.log(`seed ${seed}: repeat this run with --seed ${seed}`);
const grep = values.grep === undefined ? [] : ['--grep', values.grep];
// A heap of this size is all that hostile bytes may take.
const heap = ['--max-old-space-size=256'];
must(process.execPath, [...heap, bin('mocha'), '--config', 'spec/fuzz/mocharc.json', 'spec/fuzz/*.fuzz.ts', ...grep, ...positionals], {
  env: { ...process.env, FUZZ_SEED: String(seed), FUZZ_MINUTES: String(minutes) },
});
