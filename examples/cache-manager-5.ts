import { caching, multiCaching } from 'cache-manager5'; // in your project: 'cache-manager'
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  const redis = await caching(redisStore({ location, prefix: 'example-cm5', ttl: 60_000 }));
  redis.store.on('error', (error) => console.error(error.message));
  try {
    await redis.reset(); // a second run then shows the same; deletes only keys of this prefix

    await redis.set('greeting', { hello: 'world' }, 5_000);
    const greeting = await redis.get<{ hello: string }>('greeting');
    const ttl = await redis.store.ttl('greeting');
    console.log('from Redis:', greeting, `for another ${ttl} ms`);

    // A memory tier in front of Redis, in each process. Its ttl bounds how long a process may miss another's change.
    const tiers = async () => multiCaching([await caching('memory', { max: 500, ttl: 5_000 }), redis]);
    const [one, other] = [await tiers(), await tiers()];

    let loads = 0;
    const load = async () => ({ id: '1', name: 'Ada', load: ++loads }); // stands for the slow source
    const user = (cache: typeof one) => cache.wrap('user:1', load, 30_000);
    await user(one); // loads, and stores in both tiers
    await user(one); // answered from memory
    await redis.set('user:1', { id: '1', name: 'Ada, from Redis', load: 0 }, 30_000);
    const names = [(await user(one)).name, (await user(other)).name]; // `other` has an empty memory: Redis answers
    console.log(`loaded ${loads} time(s); one process sees '${names[0]}', another '${names[1]}'`);

    await one.del('user:1'); // in both tiers of `one`; other processes may keep a copy until their memory tier expires it
    const left = await redis.store.keys();
    console.log('left in Redis:', left);
    return { greeting, ttl, loads, names, left };
  } finally {
    await redis.store.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
