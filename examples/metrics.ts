import { channel } from 'node:diagnostics_channel';
import { type CommandTrace, type RedisStore, redisStore, type StoreStats } from '../src/index.js'; // in your project: 'redis-tier'

/** The counters of a store as text for Prometheus. The store always keeps them; reading them is the only cost. */
function exposition({ hits, misses, failures, breaker, bytesRead, bytesWritten }: StoreStats): string {
  return [
    `cache_reads_total{result="hit"} ${hits}`,
    `cache_reads_total{result="miss"} ${misses}`,
    `cache_failures_total ${failures}`,
    `cache_bytes_total{direction="read"} ${bytesRead}`,
    `cache_bytes_total{direction="written"} ${bytesWritten}`,
    `cache_breaker_open ${breaker.state === 'closed' ? 0 : 1}`,
  ].join('\n');
}

/** The keys with the most misses. The event is created only while it has a listener. */
async function missing(store: RedisStore, work: () => Promise<unknown>): Promise<[key: string, times: number][]> {
  const times = new Map<string, number>();
  const count = ({ key }: { key: string }): void => void times.set(key, (times.get(key) ?? 0) + 1);
  store.on('miss', count);
  try {
    await work();
  } finally {
    store.off('miss', count);
  }
  return [...times].sort(([, a], [, b]) => b - a);
}

/** Commands that took longer than `milliseconds`, of every store in the process. */
async function slow(milliseconds: number, work: () => Promise<unknown>): Promise<string[]> {
  const begun = new WeakMap<object, number>();
  const found: string[] = [];
  const start = (context: unknown): void => void begun.set(context as CommandTrace, performance.now());
  const asyncEnd = (context: unknown): void => {
    const { command, key, keys } = context as CommandTrace;
    const took = performance.now() - (begun.get(context as CommandTrace) ?? Number.NaN);
    if (took >= milliseconds) found.push(`${command} ${key ?? `${keys} keys`}`);
  };
  const events = { start: channel('tracing:redis-tier:command:start'), asyncEnd: channel('tracing:redis-tier:command:asyncEnd') };
  events.start.subscribe(start);
  events.asyncEnd.subscribe(asyncEnd);
  try {
    await work();
  } finally {
    events.start.unsubscribe(start);
    events.asyncEnd.unsubscribe(asyncEnd);
  }
  return found;
}

export async function main(location: string) {
  const store = redisStore({ location, prefix: 'example-metrics', ttl: 60_000 });
  try {
    await store.clear(); // a second run then shows the same
    store.stats({ reset: true });

    const asked = await missing(store, async () => {
      await store.getOrSet('user:1', () => 'Ada');
      await store.getOrSet('user:1', () => 'Ada');
      for (let i = 0; i < 3; i++) await store.get('user:2');
    });
    console.log('asked for in vain:', asked);

    // With 0 every command counts as slow, for this example.
    const commands = await slow(0, () => Promise.all([store.set('user:2', 'Grace'), store.mget('user:1', 'user:2')]));
    console.log('slow:', commands);

    const metrics = exposition(store.stats());
    console.log(metrics);
    return { asked, commands: commands.sort(), metrics };
  } finally {
    await store.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
