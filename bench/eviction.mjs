// What the near tier would gain by another eviction policy than LRU, what that would cost, and how much memory an entry takes:
// `npm run bench:eviction`. Writes the results and the tables of the pages; `-- --tables` only the tables, from the
// results, and `-- --quick` nothing, after shorter runs.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { redisStore } from '../dist/esm/index.js';
import { count, databases, nameOf, textOf } from './eviction/entries.mjs';
import { policies } from './eviction/policies.mjs';
import { tables } from './eviction/report.mjs';
import { invalidates, keys, requests, traces, warmup } from './eviction/traces.mjs';
import { between } from './faults/report.mjs';

const quick = process.argv.includes('--quick');
const seeds = quick ? [1] : [1, 2, 3];
const processes = quick ? 1 : 3;
const shares = [0.01, 0.05, 0.2];

const names = Array.from({ length: 2 * keys }, (_, i) => `user:${i}`);

function hitRatio(policy, size, trace, requested) {
  const cache = policies[policy](size);
  let [hits, reads] = [0, 0];
  for (const [i, number] of requested.entries()) {
    const name = names[number];
    if (invalidates(trace, i)) {
      cache.delete(name);
      continue;
    }
    const isHit = cache.get(name) !== undefined;
    if (!isHit) cache.set(name, name);
    if (i < warmup) continue;
    reads++;
    if (isHit) hits++;
  }
  cache.clear?.();
  return hits / reads;
}

function hitRatios() {
  const found = [];
  for (const [trace, make] of Object.entries(traces))
    for (const share of shares) {
      const size = share * keys;
      // A loop is the same whatever the seed.
      const each = (trace.startsWith('loop') ? [1] : seeds).map((seed) => make(size, seed));
      for (const policy of Object.keys(policies))
        found.push({ trace, share, policy, ratios: each.map((requested) => hitRatio(policy, size, trace, requested)) });
      console.error(`${trace}, ${size} entries`);
    }
  return found;
}

const script = (name) => fileURLToPath(new URL(`eviction/${name}.mjs`, import.meta.url));
function run(name, ...args) {
  const output = execFileSync(process.execPath, ['--expose-gc', script(name), ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output);
}

/** A result for each of the things, measured in processes of their own, in turn. */
function inTurn(things, measure) {
  const found = things.map((thing) => ({ ...thing, figures: [] }));
  for (let round = 0; round < processes; round++) for (const [i, thing] of things.entries()) found[i].figures.push(measure(thing));
  return found;
}

async function memory() {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
    stdio: 'ignore',
  });
  try {
    await sleep(500);
    for (const [database, size] of databases.entries()) {
      const store = redisStore(`redis://127.0.0.1:${port}/${database}`);
      for (let i = 0; i < count; i += 500) await store.mset(Array.from({ length: 500 }, (_, j) => [nameOf(i + j), textOf(size)]));
      await store.disconnect();
    }
    const kinds = ['lru-cache', 'near tier', 'near tier, freeze', 'no near tier'];
    const things = databases.flatMap((size) => kinds.map((kind) => ({ kind, size })));
    return inTurn(things, ({ kind, size }) => run('memory', kind, size, port));
  } finally {
    server.kill();
  }
}

const version = (name) => JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;

async function measure() {
  const packages = Object.fromEntries(['lru-cache', '@neophi/sieve-cache', 'transitory'].map((name) => [name, version(name)]));
  return {
    about: { node: process.versions.node, packages, keys, requests, warmup, seeds, entriesInMemory: count },
    costs: inTurn(
      Object.keys(policies).map((policy) => ({ policy })),
      ({ policy }) => run('cost', policy, quick ? 5 : 25),
    ),
    memory: await memory(),
    hits: hitRatios(),
  };
}

const file = new URL('results/eviction.json', import.meta.url);
const results = process.argv.includes('--tables') ? JSON.parse(readFileSync(file, 'utf8')) : await measure();
const found = tables(results);
console.log(found.map(({ markdown }) => markdown).join('\n\n'));
if (!quick) {
  writeFileSync(file, JSON.stringify(results, null, 2));
  for (const { page, name, markdown } of found) {
    const path = fileURLToPath(new URL(`../docs/${page}.md`, import.meta.url));
    writeFileSync(path, between(readFileSync(path, 'utf8'), markdown, name));
  }
}
