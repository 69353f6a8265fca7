// The program behind `npm run demo`: slow questions about real data, asked repeatedly, with the cost of each call.
// Run it against a Redis of your own with REDIS_URL=redis://host:6379 npm run demo
import { createClient } from '@redis/client';
import { caching, multiCaching } from 'cache-manager5';
import countries from 'world-countries';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/** How the demo may use its Redis. */
export interface DemoOptions {
  readonly location: string;
  /** A description of it, for the output. */
  readonly about: string;
  /** Whether to watch every command by MONITOR: only on a server without other users. */
  readonly watch: boolean;
}

const ttl = 1500;

/** The slow question: the two countries that are the most border crossings apart, by the Floyd-Warshall algorithm. */
function longestJourney(region: string | undefined): { from: string; to: string; borders: number; pairs: number } {
  const chosen = countries.filter((country) => country.borders.length > 0 && (region === undefined || country.region === region));
  const index = new Map(chosen.map((country, i) => [country.cca3, i]));
  const steps = chosen.map((country, i) =>
    chosen.map((other, j) => (i === j ? 0 : country.borders.includes(other.cca3) ? 1 : Number.POSITIVE_INFINITY)),
  );
  for (const k of index.values()) {
    for (const row of steps) {
      for (const j of index.values()) row[j] = Math.min(row[j] as number, (row[k] as number) + (steps[k]?.[j] as number));
    }
  }
  let best = { from: '', to: '', borders: 0 };
  let pairs = 0;
  for (const [i, row] of steps.entries()) {
    for (const [j, borders] of row.entries()) {
      if (!Number.isFinite(borders) || i >= j) continue;
      pairs++;
      if (borders > best.borders) best = { from: chosen[i]?.name.common as string, to: chosen[j]?.name.common as string, borders };
    }
  }
  return { ...best, pairs };
}

/** Shows each step with its time and the commands that were sent. */
async function steps(options: DemoOptions, prefix: string) {
  const redisKey: string[] = [];
  const watcher = options.watch ? createClient({ url: options.location }) : undefined;
  watcher?.on('error', () => {});
  await watcher?.connect();
  await watcher?.monitor((line) => {
    const [name = '', ...args] = [...String(line).matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, arg]) => (arg as string).replace(/\\"/g, '"'));
    if (args.some((arg) => arg.startsWith(prefix)))
      redisKey.push([name, ...args.map((arg) => (arg.length > 36 ? `${arg.slice(0, 33)}…` : arg))].join(' '));
  });

  return {
    async show<T>(title: string, work: () => Promise<T>, answer: (result: T) => string): Promise<T> {
      redisKey.length = 0;
      const start = performance.now();
      const result = await work();
      const time = performance.now() - start;
      // MONITOR reports a command on another connection, a moment after its reply.
      if (watcher) await new Promise((resolve) => setTimeout(resolve, 30));
      console.log(`  ${title.padEnd(46)} ${time.toFixed(time < 10 ? 2 : 0).padStart(8)} ms   ${answer(result)}`);
      for (const command of redisKey) console.log(`  ${' '.repeat(46)}  > ${command}`);
      if (watcher && redisKey.length === 0) console.log(`  ${' '.repeat(46)}  > nothing on the wire`);
      return result;
    },
    close: () => watcher?.destroy(),
  };
}

export async function main(where: DemoOptions | string): Promise<{ computed: number }> {
  const options = typeof where === 'string' ? { location: where, about: where.replace(/\/\/.*@/, '//***@'), watch: false } : where;
  const prefix = 'redis-tier-demo';
  const store = redisStore({ location: options.location, prefix, ttl });
  const redis = await caching(store);
  const tiers = multiCaching([await caching('memory', { max: 100, ttl }), redis]);
  await store.reset();
  const { show, close } = await steps(options, prefix);

  let computed = 0;
  const ask = (region?: string) => async () => {
    computed++;
    return longestJourney(region);
  };
  const journey = ({ from, to, borders }: Awaited<ReturnType<ReturnType<typeof ask>>>) => `${from} → ${to}: ${borders} borders`;

  console.log(`\nredis-tier on ${options.about}\n${countries.length} countries (npm: world-countries); entries live for ${ttl} ms\n`);
  console.log('Which two countries are the most border crossings apart?\n');
  await show('first call: computed', () => redis.wrap('world', ask()), journey);
  await show('second call: from Redis', () => redis.wrap('world', ask()), journey);
  await show('behind a memory tier, first: from Redis', () => tiers.wrap('world', ask()), journey);
  await show('behind a memory tier, again: from memory', () => tiers.wrap('world', ask()), journey);
  await show(
    'is it there? how long yet?',
    async () => [await store.has('world'), await store.ttl('world')],
    ([there, left]) => `${there}, ${left} ms`,
  );
  await new Promise((resolve) => setTimeout(resolve, ttl + 50));
  await show(`${ttl} ms later, expired: computed again`, () => redis.wrap('world', ask()), journey);
  await show(
    'deleted',
    () => redis.del('world'),
    () => 'done',
  );
  await show('after that: computed again', () => redis.wrap('world', ask()), journey);

  console.log('\nThe same for each continent, 20 callers at once\n');
  const regions = ['Africa', 'Americas', 'Asia', 'Europe'];
  const before = computed;
  const all = () => Promise.all(regions.flatMap((region) => Array.from({ length: 20 }, () => store.getOrSet(region, ask(region)))));
  await show('80 calls on a cold cache', all, () => `computed ${computed - before} times`);
  const found = await show(
    'one mget',
    () => store.mget(...regions),
    (values) => `${values.length} values`,
  );
  for (const [i, value] of found.entries()) console.log(`  ${' '.repeat(46)}    ${regions[i]}: ${journey(value as never)}`);
  await show(
    'reset: these keys and no others',
    () => store.reset(),
    () => 'done',
  );

  close();
  await store.disconnect();
  console.log(`\nComputed ${computed} times in all. The connection is closed; nothing is left in Redis.\n`);
  return { computed };
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
