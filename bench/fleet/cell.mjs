// One measurement of `npm run bench:fleet`, in a process of its own: so many clients of one kind lose their server, and how long it takes
// until all are connected again. Prints JSON.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { redisStore } from '../../dist/esm/index.js';

const [contender, fault, clients, cost] = [process.argv[2], process.argv[3], Number(process.argv[4]), Number(process.argv[5])];
/** How long Redis stands still, in milliseconds. */
const stall = 2500;
const patience = 60_000;

const server = fork(new URL('server.mjs', import.meta.url), [String(cost)]);
const [{ port }] = await once(server, 'message');

const ours = (options) => async () => {
  const store = redisStore({ location: `127.0.0.1:${port}`, ...options });
  store.on('error', () => {});
  await store.ready().catch(() => {});
  return { isUp: () => store.status === 'ready', ask: () => store.get('k') };
};
const kinds = {
  'redis-tier': ours({}),
  'redis-tier, `parser`': ours({ parser: 'auto' }),
  'node-redis': async () => {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, disableOfflineQueue: true });
    client.on('error', () => {});
    await client.connect();
    return { isUp: () => client.isReady, ask: () => client.get('k') };
  },
};

// A few at a time, so that none waits long.
const fleet = [];
for (let i = 0; i < clients; i += 10)
  fleet.push(...(await Promise.all(Array.from({ length: Math.min(10, clients - i) }, kinds[contender]))));
const down = () => fleet.filter(({ isUp }) => !isUp()).length;
const handshakes = async () => {
  server.send({});
  return (await once(server, 'message'))[0].handshakes;
};
while (down() > 0) await sleep(50);

// Each asks once a second, spread over it.
const load = setInterval(() => {
  for (let i = 0; i < clients / 20; i++) Promise.resolve(fleet[Math.floor(Math.random() * clients)].ask()).catch(() => {});
}, 50);
await sleep(1500);
const before = await handshakes();
const start = performance.now();
server.send(fault === 'stall' ? { stall } : { cut: true });
await sleep(fault === 'stall' ? stall : 100);
// Up for a second, for what is up may go down again while the server is busy with the others.
let since = performance.now();
let most = down();
while (performance.now() - since < 1000 && performance.now() - start < patience) {
  await sleep(20);
  if (down() > 0) since = performance.now();
  most = Math.max(most, down());
}
const seconds = down() === 0 ? (since - start) / 1000 : null;
clearInterval(load);
console.log(JSON.stringify({ seconds, most, handshakes: (await handshakes()) - before }));
process.exit();
