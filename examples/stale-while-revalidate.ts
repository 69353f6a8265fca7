import { setTimeout as sleep } from 'node:timers/promises';
import { type GetOrSetOptions, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  const store = redisStore({ location, prefix: 'example-swr' });
  const failures: string[] = [];
  store.on('error', ({ code, message }) => failures.push(`${code}: ${message}`));
  try {
    await store.clear(); // a second run then shows the same

    // Fresh for 400 ms, then served stale for up to a minute while a new value is loaded.
    const options: GetOrSetOptions = { ttl: 400, staleFor: 60_000 };
    let version = 0;
    const load = async () => {
      await sleep(50); // stands for a slow source
      return `news ${++version}`;
    };
    const first = await store.getOrSet('news', load, options); // waits: there is no entry yet
    await sleep(450);
    const second = await store.getOrSet('news', load, options); // does not wait: the old value, and a refresh in the background
    const plain = await store.get('news'); // a plain read does not return stale values: a miss
    await sleep(150);
    const third = await store.getOrSet('news', load, options);
    console.log(`cold: '${first}', stale: '${second}', renewed: '${third}'; a plain get of the stale one:`, plain);

    // When the source changes, `expire` ends the time of the entry at once, and `expireTags` that of all entries of a tag. No caller waits
    // for the new value, as all would after a deletion.
    await store.expire('news');
    const expired = await store.getOrSetDetailed('news', load, options);
    await sleep(150);
    const { value: renewed, tier } = await store.getOrSetDetailed('news', load, options);
    console.log(`expired: '${expired.value}' (${expired.tier}), and then: '${renewed}' (${tier})`);

    // If the source fails, callers still get the stale value, and the source is not called again for a while.
    await sleep(450);
    let attempts = 0;
    const failing = async (): Promise<string> => {
      attempts++;
      throw new Error('the source is down');
    };
    const during: string[] = [];
    for (let i = 0; i < 5; i++) {
      during.push(await store.getOrSet('news', failing, options));
      await sleep(10);
    }
    console.log(`five reads while the source is down: ${during.join(', ')}; ${attempts} attempt`, failures);
    return { first, second, plain, third, expired, renewed, during, attempts, failures };
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
