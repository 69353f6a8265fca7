import { redisStore } from '../../src/index.js';
import { after, Deadline, waitAtMost, withDeadline, withTimeout } from '../../src/time/deadlines.js';

/** Work that settles long before its deadlines, and one deadline that is awaited: the process ends by itself after that. */
async function main(): Promise<void> {
  const minute = 60_000;
  await withTimeout(Promise.resolve(), minute);
  await waitAtMost(Promise.resolve(), minute);
  await withDeadline(minute, async () => {});
  await withTimeout(Promise.reject(new Error('no')), minute).catch(() => {});
  new Deadline(minute, { expire() {} }).cancel();
  after(minute, () => {})();
  await redisStore({ location: 'memory:' }).getOrSet('k', () => 1, { hardTimeout: minute });
  after(200, () => console.log('passed'));
}

void main();
