// npm run test:chaos and test:soak: faults on real servers under load. `--seed N` repeats a run, `--minutes N` makes it longer,
// other arguments go to mocha.
import { parseArgs } from 'node:util';
import { bin, findServer, howToGetRedis, installPackages, must } from './setup.mjs';

const [suite, ...given] = process.argv.slice(2);
const { values, tokens } = parseArgs({
  args: given,
  options: { seed: { type: 'string' }, minutes: { type: 'string' } },
  strict: false,
  tokens: true,
});
for (const [name, value] of Object.entries({ seed: values.seed, minutes: values.minutes })) {
  if (value === undefined || (value !== '' && Number.isFinite(Number(value)) && Number(value) >= 0)) continue;
  console.error(`expected --${name} to be a number ≥ 0, got ${value}`);
  process.exit(1);
}
const ours = tokens
  .filter(({ kind, name }) => kind === 'option' && (name === 'seed' || name === 'minutes'))
  .flatMap(({ index, inlineValue }) => (inlineValue ? [index] : [index, index + 1]));
const rest = given.filter((_, i) => !ours.includes(i));

installPackages();
const server = findServer();
if (!server) {
  console.error(howToGetRedis);
  process.exit(1);
}
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32));
console.log(`seed ${seed}: repeat this run with --seed ${seed}`);
must(process.execPath, [bin('mocha'), '--config', 'spec/chaos/mocharc.json', `spec/chaos/*.${suite}.ts`, ...rest], {
  env: {
    ...process.env,
    REDIS_SERVER: server,
    CHAOS_SEED: seed,
    ...(values.minutes && { CHAOS_MINUTES: values.minutes }),
  },
});
