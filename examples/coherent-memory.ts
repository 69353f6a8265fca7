import { setTimeout as sleep } from 'node:timers/promises';
import { createCache } from 'cache-manager';
import { coherentMemory, createKeyv } from '../src/keyv.js'; // in your project: 'redis-tier/keyv'

export async function main(location: string) {
  /** The tiers of one process. */
  const process = () => {
    const redis = createKeyv({ location, namespace: 'example-coherent', ttl: 60_000, near: { max: 500 } });
    redis.on('error', (error) => console.error(error.message));
    return { redis, memory: coherentMemory(redis), cache: createCache({ stores: [coherentMemory(redis), redis] }) };
  };
  const [one, other] = [process(), process()];
  try {
    await one.cache.clear(); // a second run then shows the same
    await one.cache.set('user:1', { name: 'Ada' });

    // Redis starts tracking with the first read; values read after that are kept.
    let kept: unknown;
    while (kept === undefined) {
      await one.cache.get('user:1');
      kept = await one.memory.get('user:1');
    }
    console.log('answered by memory:', kept);

    // Another process writes: the entry is dropped here, and the next read fetches the new one.
    await other.cache.set('user:1', { name: 'Grace' });
    await sleep(50);
    const dropped = await one.memory.get('user:1');
    const told = await one.cache.get<{ name: string }>('user:1');
    console.log('after a change elsewhere:', dropped, told);

    await other.cache.del('user:1');
    await sleep(50);
    const gone = await one.cache.get('user:1');
    console.log('after a deletion elsewhere:', gone);
    return { kept, dropped, told, gone };
  } finally {
    await Promise.all([one.cache.disconnect(), other.cache.disconnect()]);
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
