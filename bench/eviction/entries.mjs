// The entries whose memory is measured, and how.
import { setTimeout as sleep } from 'node:timers/promises';

export const count = 20_000;
/** The bytes of a value, by the number of the database. */
export const databases = [20, 200, 2000];

export const nameOf = (i) => `user:${100_000 + i}`;
/** Text with memory of its own. */
export const textOf = (size) => Buffer.alloc(size, 'x').toString('latin1');

/** What this process, which runs with `--expose-gc`, cannot release. */
export async function bytesUsed() {
  for (let i = 0; i < 5; i++) {
    gc();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
