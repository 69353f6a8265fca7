// npm run bench:clear: emptying a namespace of a million keys, side by side: time, CPU and how much the process grows. Each round begins with
// another contender. `-- 3000000 5`: so many keys and rounds; `--json`: all rounds as JSON.
import { spawn } from 'node:child_process';
import { createKeyv as createPeerKeyv } from '@keyv/redis';
import { createClient } from '@redis/client';
import { redisStore } from 'redis-tier';
import { createKeyv } from 'redis-tier/keyv';

const keys = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 3);
const port = 20_000 + Math.floor(Math.random() * 20_000);
const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
process.once('exit', () => server.kill('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
await new Promise((resolve) => setTimeout(resolve, 500));
const location = `127.0.0.1:${port}`;
const redis = createClient({ url: `redis://${location}`, commandOptions: { timeout: 120_000 } });
await redis.connect();

const store = redisStore({ location, prefix: 'store', timeout: 120_000 });
const contenders = {
  'redis-tier, clear() of a store': { start: 'store:', clear: () => store.clear() },
  'redis-tier, clear() of a Keyv': {
    start: 'ours::',
    clear: (
      (keyv) => () =>
        keyv.clear()
    )(createKeyv({ location, namespace: 'ours', timeout: 120_000 })),
  },
  '@keyv/redis, clear()': {
    start: 'peer::',
    clear: (
      (keyv) => () =>
        keyv.clear()
    )(createPeerKeyv(`redis://${location}`, { namespace: 'peer' })),
  },
};

const populate = "for i = ARGV[2], ARGV[3] do redis.call('SET', ARGV[1] .. 'key-of-a-usual-length-of-forty-bytes-' .. i, '1') end";
const fill = async (start, count) => {
  // In parts, for a server that is busy for seconds refuses the commands of others.
  for (let from = 1; from <= count; from += 500_000)
    await redis.eval(populate, { arguments: [start, String(from), String(Math.min(count, from + 499_999))] });
};
const results = Object.fromEntries(Object.keys(contenders).map((title) => [title, []]));
for (let round = 0; round < rounds; round++) {
  const titles = Object.keys(contenders);
  for (const i of titles.keys()) {
    const title = titles[(i + round) % titles.length];
    const { start, clear } = contenders[title];
    await fill(start, keys);
    await fill('foreign:', 1000);
    global.gc?.();
    const before = process.memoryUsage().rss;
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 5);
    const cpu = process.cpuUsage();
    const time = performance.now();
    await clear();
    const milliseconds = performance.now() - time;
    const { user, system } = process.cpuUsage(cpu);
    clearInterval(timer);
    const left = await redis.dbSize();
    if (left !== 1000) throw new Error(`${title} left ${left - 1000} keys`);
    results[title].push({ milliseconds, cpu: (user + system) / 1000, growth: (peak - before) / (1 << 20) });
  }
}
if (process.argv.includes('--json')) {
  console.log(JSON.stringify(results));
} else {
  const median = (list, figure) => list.map((each) => each[figure]).sort((a, b) => a - b)[Math.floor(list.length / 2)];
  console.log(
    `| clear() of ${keys.toLocaleString('en-US')} keys, median of ${rounds} | ms | CPU ms | growth MiB (most) |\n| --- | --- | --- | --- |`,
  );
  for (const [title, list] of Object.entries(results)) {
    console.log(
      `| ${title} | ${median(list, 'milliseconds').toFixed(0)} | ${median(list, 'cpu').toFixed(0)} | ${Math.max(...list.map(({ growth }) => growth)).toFixed(1)} |`,
    );
  }
}
process.exit(0);
