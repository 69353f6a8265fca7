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

/** Resolves after a while, or as soon as the signal is aborted. `idle` pauses do not keep the process alive. */
export function pause(
  time: Milliseconds,
  { signal, idle = false }: { signal?: AbortSignal | undefined; idle?: boolean } = {},
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, time);
    if (idle) timer.unref();
    signal?.addEventListener('abort', end, { once: true });
  });
}
