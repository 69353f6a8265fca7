// What a call costs while the breaker is open, with no Redis at all: rounds of 100 000 gets in one process, one after the other or all of
// a tick at once, and `wrap` of cache-manager. `npm run bench:breaker -- [--rounds 11]` writes the figures to docs/reliability.md; with --dry
// it only prints them.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCache } from 'cache-manager';
import { caching } from 'cache-manager5';
import { createCache as createCache6 } from 'cache-manager6';
import { redisStore } from '../dist/esm/index.js';
import { createKeyv } from '../dist/esm/keyv.js';
import { between } from './faults/report.mjs';

const rounds = process.argv.includes('--rounds') ? Number(process.argv[process.argv.indexOf('--rounds') + 1]) : 11;
const calls = 100_000;

/** Where nobody listens. */
const location = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(`127.0.0.1:${port}`));
  });
});

const silent = redisStore({ location });
const heard = redisStore({ location });
let events = 0;
heard.on('error', () => events++);
const cm5 = await caching(redisStore({ location }));
const cm6 = createCache6({ stores: [createKeyv({ location })] });
const cm7 = createCache({ stores: [createKeyv({ location })] });
const made = () => 'made';

const inTurn = (call) => async (count) => {
  for (let i = 0; i < count; i++) await call(`key:${i % 1000}`);
};
const atOnce = (call) => async (count) => {
  for (let i = 0; i < count; i += 500) await Promise.all(Array.from({ length: 500 }, (_, j) => call(`key:${(i + j) % 1000}`)));
};
const wrapped = (cache) => async (key) => {
  if ((await cache.wrap(key, made)) !== 'made') throw new Error('wrap gave another value than its function');
};
const contenders = {
  '`get`, one after the other': [inTurn((key) => silent.get(key)), calls],
  '`get`, 500 in a tick': [atOnce((key) => silent.get(key)), calls],
  '`get` with a listener on `error`, one after the other': [inTurn((key) => heard.get(key)), calls],
  '`wrap` of cache-manager 5': [inTurn(wrapped(cm5)), calls / 10],
  '`wrap` of cache-manager 6': [inTurn(wrapped(cm6)), calls / 10],
  '`wrap` of cache-manager 7': [inTurn(wrapped(cm7)), calls / 10],
};

// Until each knows that nobody is there, and all is compiled.
for (const [work, count] of Object.values(contenders)) await work(count);
await sleep(1000);
if (silent.breaker !== 'open') throw new Error(`expected the breaker to be open, it is ${silent.breaker}`);

const found = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, [work, count]] of Object.entries(contenders)) {
    const start = performance.now();
    await work(count);
    found[name].push(((performance.now() - start) * 1000) / count);
    // What waits meanwhile, an attempt to connect for one, has its turn between the rounds.
    await sleep(20);
  }
}

const figures = Object.entries(found).map(([name, list]) => {
  const sorted = list.toSorted((a, b) => a - b);
  return `| ${name} | ${[sorted[sorted.length >> 1], sorted[0], sorted.at(-1)].map((time) => time.toFixed(2)).join(' | ')} |`;
});
const about = `${rounds} rounds of ${calls.toLocaleString('en')} calls, of \`wrap\` a tenth; Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}).`;
const markdown = `${about}\n\n| | µs per call, median | least | most |\n| --- | --- | --- | --- |\n${figures.join('\n')}`;
console.log(markdown);
if (events === 0) throw new Error('expected `error` events');
if (!process.argv.includes('--dry')) {
  const page = 'docs/reliability.md';
  writeFileSync(page, between(readFileSync(page, 'utf8'), markdown, 'bench:breaker'));
}
process.exit(0);
