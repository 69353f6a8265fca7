// What one policy costs: a hit and a miss as multiples of LRU's, with both at work in turn in this process, and the memory of an entry.
// `node --expose-gc cost.mjs <policy> <blocks>`.
import { bytesUsed, count, nameOf, textOf } from './entries.mjs';
import { policies } from './policies.mjs';
import { random, ranks } from './traces.mjs';

const [policy, blocks] = [process.argv[2], Number(process.argv[3])];
const max = 10_000;
const value = 'x'.repeat(200);
const draw = ranks(9500, 0.9, random(1));

/** Each key was a key of a map before: what computing its hash costs, only the first policy would pay. */
const hashed = new Map();
const key = (name) => {
  hashed.set(name, 0);
  return name;
};
const present = Array.from({ length: 9500 }, (_, i) => key(`user:${i}`));
const hits = Array.from({ length: 200_000 }, () => present[draw()]);
let made = 0;

/** Nothing is evicted while only hits are measured. */
function filled(name) {
  const cache = policies[name](max);
  for (const each of present) cache.set(each, value);
  return cache;
}

function read(cache, names) {
  let found = 0;
  for (const name of names) if (cache.get(name) !== undefined) found++;
  return found;
}

/** A miss is followed by a set, which evicts another entry. */
function readAndFill(cache, names) {
  let found = 0;
  for (const name of names) {
    if (cache.get(name) === undefined) cache.set(name, value);
    else found++;
  }
  return found;
}

function cost(work, cache, names, expected) {
  gc();
  const before = process.cpuUsage();
  const found = work(cache, names);
  const { user, system } = process.cpuUsage(before);
  if (found !== expected) throw new Error(`expected ${expected} hits, got ${found}`);
  return (user + system) / names.length;
}

const median = (figures) => [...figures].sort((one, other) => one - other)[figures.length >> 1];

function compare(work, namesOf, expected) {
  const [own, base] = [filled(policy), filled('LRU')];
  const costs = { own: [], base: [] };
  for (let i = -3; i < blocks; i++) {
    const names = namesOf();
    const round = {};
    for (const side of i % 2 === 0 ? ['own', 'base'] : ['base', 'own'])
      round[side] = cost(work, side === 'own' ? own : base, names, expected);
    if (i < 0) continue;
    costs.own.push(round.own);
    costs.base.push(round.base);
  }
  for (const cache of [own, base]) cache.clear?.();
  return { ratio: median(costs.own) / median(costs.base), microseconds: median(costs.own) };
}

/** Twice as many keys as it holds: what it remembers of others counts, too. */
async function bytesPerEntry() {
  const fill = () => {
    const cache = policies[policy](count);
    for (let i = 0; i < 2 * count; i++) cache.set(nameOf(i), textOf(20));
    return cache;
  };
  fill().clear?.();
  const before = await bytesUsed();
  const cache = fill();
  const bytes = ((await bytesUsed()) - before) / count;
  cache.clear?.();
  return bytes;
}

const bytes = await bytesPerEntry();
const hit = compare(read, () => hits, hits.length);
const miss = compare(readAndFill, () => Array.from({ length: 50_000 }, () => key(`other:${made++}`)), 0);
console.log(JSON.stringify({ hit, miss, bytes }));
