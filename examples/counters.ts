import { randomBytes } from 'node:crypto';
import { type RedisStore, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/** Allows `limit` calls in a window that begins with the first call: `incr` sets the ttl then, and later calls keep it. */
async function allowed(store: RedisStore, user: string, limit: number): Promise<boolean> {
  const calls = await store.incr(`calls:${user}`, 1, { initial: 0, ttl: 10_000 });
  return calls <= limit;
}

/** Whether this message is new: `add` stores only if the key does not exist, atomically, so it succeeds for one caller. */
function isNew(store: RedisStore, message: string): Promise<boolean> {
  return store.add(`seen:${message}`, true, 60_000);
}

/** A token that can be redeemed once: `getAndDelete` reads and deletes in one step, so two callers never both get it. */
async function issueToken(store: RedisStore, user: string): Promise<string> {
  const token = randomBytes(16).toString('base64url');
  if (!(await store.add(`token:${token}`, { user }, 60_000))) throw new Error('the token exists already');
  return token;
}

function redeem(store: RedisStore, token: string): Promise<{ user: string } | undefined> {
  return store.getAndDelete<{ user: string }>(`token:${token}`);
}

export async function main(location: string) {
  // All of these reject if Redis is unreachable: an unreliable count or token is worse than an error.
  const store = redisStore({ location, prefix: 'example-counters' });
  try {
    await store.clear(); // a second run then shows the same

    const calls = await Promise.all([1, 2, 3, 4, 5].map(() => allowed(store, 'ada', 3)));
    const windowLeft = await store.ttl('calls:ada');
    console.log('five calls where three are allowed:', calls, `next window in ${windowLeft} ms`);

    const first = await Promise.all([isNew(store, 'm-1'), isNew(store, 'm-1'), isNew(store, 'm-2')]);
    console.log('is new: m-1, m-1 again, m-2:', first);

    const token = await issueToken(store, 'ada');
    const redeemed = await Promise.all([redeem(store, token), redeem(store, token)]);
    console.log('redeemed twice at the same time:', redeemed);
    return { calls, windowLeft, first, redeemed };
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
