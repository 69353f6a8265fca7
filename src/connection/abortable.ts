import { AbortedError } from '../errors.js';

/** What waits for each signal: one listener for all of it, however many calls share the signal. */
const waiting = new WeakMap<AbortSignal, Set<(error: Error) => void>>();

/** Settles as the work does, unless the signal comes first. The work is not begun where it has come already. */
export function abortable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) return Promise.reject(new AbortedError(signal.reason));
  const calls = waiting.get(signal) ?? listen(signal);
  return new Promise((resolve, reject) => {
    calls.add(reject);
    work()
      .then(resolve, reject)
      .finally(() => {
        calls.delete(reject);
        if (calls.size > 0 || waiting.get(signal) !== calls) return;
        waiting.delete(signal);
        signal.removeEventListener('abort', abort);
      });
  });
}

function listen(signal: AbortSignal): Set<(error: Error) => void> {
  const calls = new Set<(error: Error) => void>();
  waiting.set(signal, calls);
  signal.addEventListener('abort', abort, { once: true });
  return calls;
}

function abort(this: AbortSignal): void {
  for (const reject of waiting.get(this) ?? []) reject(new AbortedError(this.reason));
  waiting.delete(this);
}
