// What works, and how fast, with commands forbidden, each alone and all together: every call of a store, over node-redis and over the direct
// connection, on servers whose ACL forbids them. `npm run bench:forbidden` writes the table to docs/managed-services.md; with --dry it only
// prints it. Fails if a call takes longer than `timeout` and a quarter of a second, a first `getOrSet` longer than 1.25 s, or a hit longer than
// 20 ms.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../dist/esm/index.js';
import { between } from './faults/report.mjs';
import { freePort } from './faults/server.mjs';

const timeout = 1000;
const commands = ['EVAL', 'EVALSHA', 'SCRIPT', 'CLIENT', 'HELLO', 'UNLINK', 'GETDEL', 'SCAN', 'MGET', 'PTTL', 'SELECT', 'PING'];
const cases = [
  ['nothing', []],
  ...commands.map((name) => [name, [name]]),
  ['EVAL, EVALSHA, SCRIPT', ['EVAL', 'EVALSHA', 'SCRIPT']],
  ['all twelve', commands],
];
const kinds = { 'node-redis': {}, direct: { parser: 'auto' } };

/** Each call of a store, in an order in which each finds what it needs. */
const calls = {
  // The first call of a store connects it.
  getOrSet: (store) => store.getOrSet('made', () => 7),
  'getOrSet, a hit': (store) => store.getOrSet('made', () => 8),
  ready: (store) => store.ready(),
  ping: (store) => store.ping(),
  set: (store) => store.set('a', 1),
  get: (store) => store.get('a'),
  mset: (store) => store.mset({ x: 1, y: 2 }),
  mget: (store) => store.mget('x', 'nothing', 'y'),
  has: (store) => store.has('a'),
  ttl: (store) => store.ttl('a'),
  touch: (store) => store.touch('a', 60_000),
  persist: (store) => store.persist('a'),
  add: (store) => store.add('added', 1),
  incr: (store) => store.incr('n', 1, { initial: 1 }),
  withLock: (store) => store.withLock('l', () => 'held'),
  'getOrSet with tags': (store) => store.getOrSet('tagged', () => 3, { tags: ['t'], ttl: 60_000 }),
  'getOrSet, stale': async (store) => {
    await store.getOrSet('stale', () => 5, { ttl: 1, staleFor: 60_000 });
    return store.getOrSet('stale', () => 5, { ttl: 1, staleFor: 60_000 });
  },
  invalidateTags: (store) => store.invalidateTags(['t']),
  getAndDelete: (store) => store.getAndDelete('a'),
  del: (store) => store.del('x'),
  mdel: (store) => store.mdel('y', 'made'),
  keys: (store) => store.keys(),
  delPattern: (store) => store.delPattern('add*'),
  clear: (store) => store.clear(),
};

/** A server whose users may not run these. No ACL can forbid HELLO, so that one is renamed. */
async function serverWithout(forbidden) {
  const port = await freePort();
  const rules = forbidden.filter((name) => name !== 'HELLO').map((name) => `-${name.toLowerCase()}`);
  const renamed = forbidden.includes('HELLO') ? ['--rename-command', 'HELLO', ''] : [];
  const user = ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', ...rules];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...renamed, ...user];
  const child = spawn(process.env.REDIS_SERVER ?? 'redis-server', args, { stdio: 'ignore' });
  process.once('exit', () => child.kill());
  const accepts = () =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  while (!(await accepts())) await sleep(20);
  return { location: `127.0.0.1:${port}`, stop: () => child.kill() };
}

/** @returns the calls that rejected, each with its code, and how long each took, in milliseconds */
async function run(location, options) {
  const store = redisStore({ location, timeout, ...options });
  const rejected = new Map();
  const times = new Map();
  store.on('error', () => {});
  for (const [name, call] of Object.entries(calls)) {
    const began = performance.now();
    await call(store).catch((error) => rejected.set(name, error.code));
    times.set(name, performance.now() - began);
  }
  await store.disconnect();
  return { rejected, times };
}

process.on('warning', () => {});
const ms = (time) => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
// Until all is compiled.
const warm = await serverWithout([]);
for (let i = 0; i < 5; i++) for (const options of Object.values(kinds)) await run(warm.location, options);
warm.stop();

const failures = [];
const rows = [];
for (const [title, forbidden] of cases) {
  const server = await serverWithout(forbidden);
  const results = [];
  for (const [kind, options] of Object.entries(kinds)) {
    const RESP = forbidden.includes('HELLO') && kind === 'node-redis' ? { RESP: 2 } : {};
    results.push(await run(server.location, { prefix: kind, ...options, ...RESP }));
  }
  server.stop();
  const longest = (name) => Math.max(...results.map(({ times }) => times.get(name)));
  const all = Math.max(...Object.keys(calls).map(longest));
  const codes = new Set(results.flatMap(({ rejected }) => [...rejected.values()]));
  codes.delete('ERR_UNSUPPORTED');
  if (codes.size > 0) failures.push(`${title}: calls rejected with ${[...codes].join(', ')}`);
  const rejected = [...new Set(results.flatMap(({ rejected }) => [...rejected.keys()].map((name) => `\`${name}\``)))];
  if (all > timeout + 250) failures.push(`${title}: a call took ${ms(all)}`);
  if (longest('getOrSet') > 1250) failures.push(`${title}: the first getOrSet took ${ms(longest('getOrSet'))}`);
  if (longest('getOrSet, a hit') > 20) failures.push(`${title}: a hit took ${ms(longest('getOrSet, a hit'))}`);
  const works = rejected.length === 0 ? `all ${Object.keys(calls).length}` : `all but ${rejected.join(', ')}`;
  rows.push(`| ${title} | ${works} | ${ms(longest('getOrSet'))} | ${ms(longest('getOrSet, a hit'))} | ${ms(all)} |`);
}

const about = `${Object.keys(calls).length} calls one after the other on a new store, \`timeout\` ${timeout} ms, the slower of node-redis and the direct connection; Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}).`;
const markdown = `${about}\n\n| forbidden | calls that work | first \`getOrSet\` | \`getOrSet\`, a hit | slowest call |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}`;
console.log(markdown);
if (failures.length > 0) throw new Error(failures.join('\n'));
if (!process.argv.includes('--dry')) {
  const page = 'docs/managed-services.md';
  writeFileSync(page, between(readFileSync(page, 'utf8'), markdown, 'bench:forbidden'));
}
process.exit(0);
