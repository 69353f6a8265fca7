// What tags cost on a server that is full, for each maxmemory-policy: refused writes, and hits among entries that are read all the time.
// `npm run build && node bench/tags-full.mjs [--seconds 8]` writes the figures to docs/tags.md; with --dry it only prints them.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { RedisStore, redisStore } from '../dist/esm/index.js';
import { between } from './faults/report.mjs';

const seconds = process.argv.includes('--seconds') ? Number(process.argv[process.argv.indexOf('--seconds') + 1]) : 8;
const maxmemory = 16;
const live = 1000;
const minute = 60_000;
const value = 'x'.repeat(200);

const servers = [];
process.once('exit', () => {
  for (const server of servers) server.kill('SIGKILL');
});

async function measure(policy, ttl, run) {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const settings = ['--save', '', '--maxmemory', `${maxmemory}mb`, '--maxmemory-policy', policy];
  const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', ...settings], {
    stdio: 'ignore',
  });
  servers.push(server);
  await sleep(500);
  const redis = createClient({ url: `redis://127.0.0.1:${port}` });
  await redis.connect();
  const store = redisStore({ location: `127.0.0.1:${port}`, prefix: 'full' });
  store.on('error', () => {});
  const { writer } = RedisStore.partsOf(store).cache;

  /** Writes that were tried and refused, reads and hits, by what they were about. */
  const count = { tagged: { writes: 0, refused: 0, reads: 0, hits: 0 }, plain: { writes: 0, refused: 0, reads: 0, hits: 0 } };
  const write = async (kind, key, tags) => {
    count[kind].writes++;
    if (!(await writer.set(key, value, { ttl, tags }))) count[kind].refused++;
  };
  const kinds = { tagged: (i) => [`section:${i % 50}`], plain: () => [] };
  const begin = async (kind) => {
    for (let i = 0; i < live; i++) await write(kind, `${kind}:${i}`, kinds[kind](i));
  };
  await begin('tagged');
  await begin('plain');

  let next = 0;
  let warm = false;
  const end = performance.now() + seconds * 1000;
  const half = end - (seconds * 1000) / 2;
  while (performance.now() < end) {
    // The first half fills the server, the second is measured.
    if (!warm && performance.now() > half) {
      warm = true;
      for (const each of Object.values(count)) Object.assign(each, { writes: 0, refused: 0, reads: 0, hits: 0 });
    }
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const i = next++;
        // One of a kind is written and hardly read again: half of them with a tag of its own.
        await write('tagged', `page:${i}`, [`page:${i}`, `section:${i % 50}`]);
        await write('plain', `row:${i}`, []);
        for (const kind of ['tagged', 'plain']) {
          const key = `${kind}:${(i * 7) % live}`;
          count[kind].reads++;
          if ((await store.get(key)) === undefined) await write(kind, key, kinds[kind](i * 7));
          else count[kind].hits++;
        }
      }),
    );
    await sleep(1);
  }
  const tagKeys = Number(
    await redis.eval(
      "local n = 0; local c = '0'; repeat local r = redis.call('SCAN', c, 'MATCH', 'full#t:*', 'COUNT', 1000); c = r[1]; n = n + #r[2] until c == '0'; return n",
    ),
  );
  await store.disconnect();
  redis.destroy();
  server.kill('SIGKILL');
  const percent = (part, whole) => `${whole === 0 ? 0 : ((100 * part) / whole).toFixed(1)} %`;
  const { tagged, plain } = count;
  const figures = [
    percent(tagged.refused + plain.refused, tagged.writes + plain.writes),
    percent(tagged.hits, tagged.reads),
    percent(plain.hits, plain.reads),
    tagKeys.toLocaleString('en'),
  ];
  return `| \`${policy}\` | ${run} | ${figures.join(' | ')} |`;
}

const rows = [];
for (const [run, ttl] of [
  ['10 minutes', 10 * minute],
  ['2 seconds', 2000],
  ['never end', 0],
]) {
  for (const policy of ['noeviction', 'volatile-lru', 'volatile-ttl', 'allkeys-lru']) rows.push(await measure(policy, ttl, run));
}
const about = `${maxmemory} MB; ${live.toLocaleString('en')} entries with tags and as many without are read all the time, while new ones, half of them with a tag of their own, fill the server; ${seconds / 2} s of that, once it is full; Node ${process.version}.`;
const markdown = `${about}\n\n| policy | entries live | refused writes | hits, with tags | hits, without | keys of tags at the end |\n| --- | --- | --- | --- | --- | --- |\n${rows.join('\n')}`;
console.log(markdown);
if (!process.argv.includes('--dry')) {
  const page = 'docs/tags.md';
  writeFileSync(page, between(readFileSync(page, 'utf8'), markdown, 'bench:tags'));
}
process.exit(0);
