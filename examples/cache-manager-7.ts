import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import { createKeyv } from '../src/keyv.js'; // in your project: 'redis-tier/keyv'

export async function main(location: string) {
  // Keyv's default store, a Map, grows without bound; an LRU does not. Its ttl bounds how long a process may miss another's change.
  const memory = () => new Keyv({ store: new LRUCache<string, string>({ max: 500 }), ttl: 5_000 });
  const redis = createKeyv({ location, namespace: 'example-cm7', ttl: 60_000 });
  redis.on('error', (error) => console.error(error.message));

  const one = createCache({ stores: [memory(), redis] });
  const other = createCache({ stores: [memory(), redis] }); // stands for another process
  try {
    await one.clear(); // a second run then shows the same; deletes only keys of this namespace

    let loads = 0;
    const load = async () => ({ id: '1', name: 'Ada', load: ++loads });
    const first = await one.wrap('user:1', load, 30_000);
    const again = await one.wrap('user:1', load, 30_000); // answered from memory
    const there = await other.wrap('user:1', load, 30_000); // an empty memory: Redis answers
    console.log(`loaded ${loads} time(s):`, first, again, there);

    await one.mset<unknown>([
      { key: 'a', value: 1 },
      { key: 'b', value: [2, 3], ttl: 1_000 },
    ]);
    const many = await other.mget(['a', 'b', 'missing']);
    console.log('many at once:', many);

    await one.del('user:1');
    const deleted = await redis.get('user:1');
    console.log('after del, in Redis:', deleted);
    return { loads, users: [first, again, there], many, deleted };
  } finally {
    await one.disconnect(); // closes the connection behind `redis`, which `other` shares
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
