// What a hit of the near cache costs, against the same get from Redis and against lru-cache's own: interleaved rounds in one
// process; medians of the rates, and of the ratios within each round. `npm run bench:near -- [--rounds 15] [--ms 150]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { redisStore } from '../dist/esm/index.js';

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
  const lru = new LRUCache({ max: 10_000 });
  for (const key of keys) lru.set(key, value);
  for (const store of Object.values(stores)) for (let i = 0; i < 2; i++) await store.mget(...keys);
  const contenders = {
    'from Redis': (key) => stores.redis.get(key),
    'near, decoded per hit': (key) => stores.bytes.get(key),
    'near, freeze': (key) => stores.freeze.get(key),
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
      for (const [name, get] of Object.entries(contenders)) {
        const rate = await measure(get, inFlight);
        if (round >= 0) rates[name].push(rate);
      }
    }
    const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
    const against = (name, other) => median(rates[name].map((rate, round) => rate / rates[other][round]));
    console.log(`${inFlight} in flight, ${rounds} rounds of ${milliseconds} ms`);
    for (const name of Object.keys(contenders)) {
      const rate = Math.round(median(rates[name])).toLocaleString('en').padStart(12);
      const times = against(name, 'from Redis').toFixed(1).padStart(7);
      const ofLru = against(name, 'async function around lru-cache').toFixed(2);
      console.log(`  ${name.padEnd(34)} ${rate}/s  ${times}×  ${ofLru} of lru-cache`);
    }
  }
  await Promise.all(Object.values(stores).map((store) => store.disconnect()));
} finally {
  server.kill('SIGKILL');
  await once(server, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
