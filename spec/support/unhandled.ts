import { setTimeout as sleep } from 'node:timers/promises';

/** The reasons of rejections that nothing handles, during the work and 100 ms after it. Mocha's own listeners would end the run. */
export async function unhandled(work: () => unknown): Promise<unknown[]> {
  const seen: unknown[] = [];
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', (reason) => seen.push(reason));
  try {
    await work();
    await sleep(100);
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
  }
  return seen;
}
