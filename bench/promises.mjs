// How many promises and timers one lone call creates, on a connected store: `npm run bench:promises`. The least of five calls.
// The promise of the caller's own `await` does not count.
import { createHook } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../dist/esm/index.js';

const port = 20_000 + Math.floor(Math.random() * 10_000);
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
process.once('exit', () => server.kill());

let counting = false;
const count = { promises: 0, timers: 0 };
createHook({
  init(_id, type) {
    if (!counting) return;
    if (type === 'PROMISE') count.promises++;
    else if (type === 'Timeout') count.timers++;
  },
}).enable();

async function least(call) {
  let best = { promises: Number.POSITIVE_INFINITY, timers: 0 };
  for (let i = 0; i < 8; i++) {
    await sleep(60);
    Object.assign(count, { promises: 0, timers: 0 });
    counting = true;
    await call(i);
    counting = false;
    count.promises--;
    // The first calls open connections, and fill the near tier.
    if (i >= 3 && count.promises < best.promises) best = { ...count };
  }
  return best;
}

const kinds = {
  plain: [{}, { ttl: 60_000 }],
  'near and tags': [
    { near: {}, tags: true },
    { ttl: 60_000, tags: ['tag'] },
  ],
};

for (const [kind, [options, how]] of Object.entries(kinds)) {
  const store = redisStore(`127.0.0.1:${port}`, options);
  while (
    !(await store.ping().then(
      () => true,
      () => false,
    ))
  )
    await sleep(50);
  const fill = () => store.set('key', { a: 1 }, how);
  const calls = {
    get: () => store.get('key'),
    set: fill,
    'getOrSet, a hit': () => store.getOrSet('key', () => 1, how),
    'getOrSet, made': (i) => store.getOrSet(`made ${kind} ${i}`, async () => ({ a: i }), how),
    del: () => store.del('key'),
  };
  for (const [name, call] of Object.entries(calls)) {
    await fill();
    const { promises, timers } = await least(call);
    console.log(`${kind}: ${name}`.padEnd(32), `${promises} promises, ${timers} timers`);
  }
  await store.disconnect();
}

server.kill();
