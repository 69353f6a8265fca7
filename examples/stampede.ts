import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  // Three stores on the same entries stand for three processes.
  const fleet = [1, 2, 3].map(() => redisStore({ location, prefix: 'example-stampede', ttl: 60_000 }));
  const [first, second] = fleet as [(typeof fleet)[0], (typeof fleet)[0]];
  try {
    await first.clear(); // a second run then shows the same

    let loads = 0;
    const load = async () => {
      loads++;
      await sleep(100); // stands for a slow source that all callers want at once
      return { total: 42 };
    };
    const everybody = fleet.flatMap((store) => Array.from({ length: 100 }, () => store.getOrSet('report', load)));
    const answers = await Promise.all(everybody);
    const calls = loads;
    console.log(`${answers.length} callers in 3 processes, ${calls} call of the function`);

    // A deletion while the function runs wins: waiting callers get the result, later callers do not.
    const given = await first.getOrSet('price', async () => {
      await second.del('price'); // by another process, at the worst moment
      return 'old price';
    });
    const kept = await second.get('price');
    console.log(`deleted meanwhile: the caller got '${given}', Redis holds`, kept);

    // The same for work without a value: one process at a time.
    let most = 0;
    let inside = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(10);
      inside--;
    };
    await Promise.all(fleet.map((store) => store.withLock('nightly', work, { wait: 5_000 })));
    console.log(`under the lock at a time: ${most}`);
    return { answers: answers.length, same: answers.every(({ total }) => total === 42), calls, given, kept, most };
  } finally {
    await Promise.all(fleet.map((store) => store.disconnect()));
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
