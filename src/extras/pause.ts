import { clearTimeout, setTimeout } from '../connection/real-time.js';
import type { Milliseconds } from '../ttl.js';

/** How long to wait between two looks: longer each time, and never the same in two processes. */
export function* backoff(
  first: Milliseconds,
  factor: number,
  most: Milliseconds,
  random: () => number = Math.random,
): Generator<Milliseconds> {
  for (let delay = first; ; delay = Math.min(most, delay * factor)) yield delay * (0.75 + random() / 2);
}

/** What ends a pause early. */
export interface PauseOptions {
  readonly signal?: AbortSignal | undefined;
  /** That of the caller that pauses. */
  readonly caller?: AbortSignal | undefined;
  /** Whether it keeps no process alive. */
  readonly idle?: boolean | undefined;
}

/** Resolves after a while, or as soon as a signal is aborted. */
export function pause(time: Milliseconds, { signal, caller, idle = false }: PauseOptions = {}): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted || caller?.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      caller?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, time);
    if (idle) timer.unref();
    signal?.addEventListener('abort', end, { once: true });
    caller?.addEventListener('abort', end, { once: true });
  });
}
