import type { Milliseconds } from '../ttl.js';
import { clearTimeout, setTimeout } from './real-time.js';

/** Waits for the work, or for the time to be over. */
export async function settledWithin(work: Promise<unknown>, time: Milliseconds): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, time);
  });
  try {
    await Promise.race([work, bound]);
  } finally {
    clearTimeout(timer);
  }
}
