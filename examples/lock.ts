import { setTimeout as sleep } from 'node:timers/promises';
import { LockError, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  // Two stores stand for two processes.
  const [one, other] = [redisStore({ location, prefix: 'example-lock' }), redisStore({ location, prefix: 'example-lock' })];
  try {
    // One process at a time; later callers wait.
    let most = 0;
    let inside = 0;
    const settle = async () => {
      most = Math.max(most, ++inside);
      await sleep(20); // stands for work that must not run twice at the same time
      inside--;
    };
    await Promise.all([one, other, one].map((store) => store.withLock('settle', settle, { wait: 5_000 })));
    console.log(`at work at a time: ${most}`);

    // Without `wait`, a lock with another holder is an error at once.
    const lock = await one.lock('settle');
    const refused = await other.lock('settle').catch((error: unknown) => error instanceof LockError && error.code);
    await lock.release();
    console.log('while it was held:', refused);

    // A holder that stops is replaced. The target of its writes notices by the fencing token, which rises from holder to holder.
    const lost = await one.lock('settle', { ttl: 100, renew: false });
    const next = await other.lock('settle', { wait: 5_000 });
    const accounts = { highest: 0, written: [] as string[] };
    const write = (text: string, fence: number) => {
      if (fence < accounts.highest) return false;
      accounts.highest = fence;
      accounts.written.push(text);
      return true;
    };
    const accepted = [write('by the next', next.fence), write('by the one that was lost', lost.fence)];
    console.log('writes accepted:', accepted, 'held still:', lost.held, next.held);
    const told = await lost.release().catch((error: unknown) => error instanceof LockError && error.code);
    await next.release();
    return { most, refused, accepted, held: lost.held, told };
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
