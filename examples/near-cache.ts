import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  const options = { location, prefix: 'example-near', ttl: 60_000 };
  // Two stores stand for two processes. They share only Redis.
  const one = redisStore({ ...options, near: { max: 1000, freeze: true } });
  const other = redisStore(options);
  for (const store of [one, other]) store.on('error', (error) => console.error(error.message));
  try {
    await other.reset();
    await other.set('user:1', { name: 'Ada', tags: ['math'] });

    /** Milliseconds for a thousand reads, one after the other. */
    const thousand = async (store: typeof one) => {
      const start = performance.now();
      for (let i = 0; i < 1000; i++) await store.get('user:1');
      return performance.now() - start;
    };
    await one.get('user:1'); // connects; Redis starts tracking
    await sleep(20);
    const [fromRedis, near] = [await thousand(other), await thousand(one)];
    console.log(`1000 reads: ${fromRedis.toFixed(1)} ms from Redis, ${near.toFixed(1)} ms near`);

    const [first, second] = [await one.get<{ name: string }>('user:1'), await one.get<{ name: string }>('user:1')];
    console.log('one frozen value for all callers:', first === second, Object.isFrozen(first));

    // Another process writes: Redis pushes an invalidation, and the next read fetches the new value.
    await other.set('user:1', { name: 'Grace', tags: ['compilers'] });
    await sleep(50);
    const told = (await one.get<{ name: string }>('user:1'))?.name;
    console.log('after a change elsewhere:', told);

    // A process sees its own writes at once; a deleted key is a known miss.
    await one.set('user:1', { name: 'Edsger', tags: [] });
    const own = (await one.get<{ name: string }>('user:1'))?.name;
    await one.del('user:1');
    const gone = await one.has('user:1');
    console.log('after its own:', own, gone);
    return { faster: near < fromRedis, shared: first === second && Object.isFrozen(first), told, own, gone };
  } finally {
    await Promise.all([one.disconnect(), other.disconnect()]);
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
