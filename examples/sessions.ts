import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

interface Session {
  user: string;
  visits: number;
}

export async function main(location: string) {
  const store = redisStore({ location, prefix: 'example-sessions', ttl: '30m' });
  try {
    // One command reads a session and begins its time anew, and a visitor that comes back stays logged in.
    const id = randomUUID();
    await store.set(id, { user: 'Ada', visits: 0 });
    await store.touch(id, '1m');
    const session = await store.getAndTouch<Session>(id);
    const left = await store.ttl(id);
    console.log(`${session?.user}, logged in for another ${Math.round(left / 60_000)} minutes`);

    // A change of the session leaves its time alone.
    await store.touch(id, '5m');
    await store.set(id, { user: 'Ada', visits: 1 }, { keepTtl: true });
    const kept = await store.ttl(id);
    console.log(`changed, and ${Math.round(kept / 60_000)} minutes left`);

    // Whatever reads through this view prolongs what it reads, without waiting for that.
    const sliding = store.with({ sliding: '2h' });
    const { visits } = (await sliding.get<Session>(id)) ?? { visits: 0 };
    let prolonged = kept;
    for (; prolonged <= kept; await sleep(10)) prolonged = await store.ttl(id);
    console.log(`read ${visits} visit, and ${Math.round(prolonged / 60_000)} minutes left`);

    // Everyone has to log in again by midnight.
    const midnight = new Date();
    midnight.setHours(24, 0, 0, 0);
    await store.set('until midnight', { user: 'Grace', visits: 0 }, { expireAt: midnight });

    await store.del(id);
    const gone = await store.getAndTouch<Session>(id);
    return { user: session?.user, left, kept, prolonged, gone };
  } finally {
    await store.clear();
    await store.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
