// What a hit of the near cache costs, against the same get from Redis, node-redis's client-side cache and lru-cache's own: interleaved rounds in one
// process, each of which begins with another contender; medians of the rates, and of the ratios within each round, with their
// quartiles. `npm run bench:near -- [--rounds 15] [--ms 150]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createClient } from '@redis/client';
import { LRUCache } from 'lru-cache';
import { redisStore } from '../dist/esm/index.js';

// What the one leaves to be collected is not the next one's to pay for.
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

const number = (name, standard) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : standard);
const rounds = number('--rounds', 15);
const milliseconds = number('--ms', 150);

const folder = mkdtempSync(join(tmpdir(), 'redis-tier-near-'));
const location = join(folder, 'redis.sock');
const port = 20_000 + (process.pid % 20_000);
const args = ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', location, '--dir', folder, '--save', '', '--appendonly', 'no'];
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', args, { stdio: 'ignore' });

const keys = Array.from({ length: 1000 }, (_, i) => `key:${i}`);
const value = { id: 12345, name: 'Ada Lovelace', active: true, score: 98.6, tags: ['math', 'engine'], note: '' };
value.note = 'x'.repeat(200 - JSON.stringify(value).length);

try {
  await sleep(300);
  const open = async (near) => {
    const store = redisStore({ location: `127.0.0.1:${port}`, near });
    await store.ready();
    for (const key of keys) await store.set(key, value);
    // Twice: the first reads may come before tracking is on.
    for (let i = 0; i < 2; i++) await store.mget(...keys);
    return store;
  };
  const stores = { redis: await open(false), bytes: await open({}), freeze: await open({ freeze: true }) };
  const client = createClient({
    url: `redis://127.0.0.1:${port}`,
    RESP: 3,
    clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' },
  });
  client.on('error', () => {});
  await client.connect();
  for (const key of keys) await client.set(key, JSON.stringify(value));
  const lru = new LRUCache({ max: 10_000 });
  for (const key of keys) lru.set(key, value);
  for (const store of Object.values(stores)) for (let i = 0; i < 2; i++) await store.mget(...keys);
  const contenders = {
    'from Redis': (key) => stores.redis.get(key),
    'near, decoded per hit': (key) => stores.bytes.get(key),
    'near, freeze': (key) => stores.freeze.get(key),
    "node-redis's client-side cache + JSON": async (key) => JSON.parse(await client.get(key)),
    'async function around lru-cache': async (key) => lru.get(key),
  };

  async function measure(get, inFlight) {
    let operations = 0;
    const start = performance.now();
    const end = start + milliseconds;
    const loop = async (from) => {
      for (let i = from; ; i++) {
        if (i % 64 === 0 && performance.now() >= end) return;
        await get(keys[i % keys.length]);
        operations++;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, (_, i) => loop(i)));
    const rate = (operations * 1000) / (performance.now() - start);
    // What waits to be read is read between the rounds, pushes included.
    await sleep(20);
    return rate;
  }

  for (const inFlight of [1, 512]) {
    const rates = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
    for (let round = -1; round < rounds; round++) {
      const names = Object.keys(contenders);
      for (const i of names.keys()) {
        const name = names[(i + round + 1) % names.length];
        gc();
        const rate = await measure(contenders[name], inFlight);
        if (round >= 0) rates[name].push(rate);
      }
    }
    const quantile = (list, share) => list.toSorted((a, b) => a - b)[Math.round((list.length - 1) * share)];
    const against = (name, other, digits) => {
      const ratios = rates[name].map((rate, round) => rate / rates[other][round]);
      const [least, median, most] = [0.25, 0.5, 0.75].map((share) => quantile(ratios, share).toFixed(digits));
      return `${median} (${least}–${most})`;
    };
    console.log(`${inFlight} in flight, ${rounds} rounds of ${milliseconds} ms`);
    for (const name of Object.keys(contenders)) {
      const rate = Math.round(quantile(rates[name], 0.5)).toLocaleString('en').padStart(12);
      const times = against(name, 'from Redis', 1).padStart(22);
      const ofPeers = `${against(name, "node-redis's client-side cache + JSON", 2)} of node-redis's  ${against(name, 'async function around lru-cache', 2)} of lru-cache`;
      console.log(`  ${name.padEnd(38)} ${rate}/s ${times}×  ${ofPeers}`);
    }
  }
  for (const name of ['bytes', 'freeze']) {
    const { near, redis } = stores[name].stats();
    if (redis.hits + redis.misses > near.hits / 100) throw new Error(`${name}: ${redis.hits} reads went to Redis, ${near.hits} did not`);
  }
  client.destroy();
  await Promise.all(Object.values(stores).map((store) => store.disconnect()));
} finally {
  server.kill('SIGKILL');
  await once(server, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
