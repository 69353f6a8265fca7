import { AbortedError, ArgumentError, CacheError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { clearTimeout, setTimeout } from './clock.js';

/** The pending calls of each signal. Calls that share a signal share one listener. */
const pendingCalls = new WeakMap<AbortSignal, Set<(error: Error) => void>>();

/** Settles as the work does, but rejects with an AbortedError once the signal is aborted. If it is already, the work does not start. */
export function abortable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) return Promise.reject(new AbortedError(signal.reason));
  const calls = pendingCalls.get(signal) ?? listen(signal);
  return new Promise((resolve, reject) => {
    calls.add(reject);
    const end = (): void => {
      calls.delete(reject);
      if (calls.size > 0 || pendingCalls.get(signal) !== calls) return;
      pendingCalls.delete(signal);
      signal.removeEventListener('abort', onAbort);
    };
    work().then(resolve, reject).finally(end);
  });
}

function listen(signal: AbortSignal): Set<(error: Error) => void> {
  const calls = new Set<(error: Error) => void>();
  pendingCalls.set(signal, calls);
  signal.addEventListener('abort', onAbort, { once: true });
  return calls;
}

function onAbort(this: AbortSignal): void {
  for (const reject of pendingCalls.get(this) ?? []) reject(new AbortedError(this.reason));
  pendingCalls.delete(this);
}

/** Begins the work. What it throws at once rejects. */
export function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Settles as the work does, after `end`. It makes one promise, where `finally` makes several. */
export function ending<T>(work: Promise<T>, end: () => void): Promise<T> {
  return work.then(
    (value) => {
      end();
      return value;
    },
    (error: unknown) => {
      end();
      throw error;
    },
  );
}

/** Marks a rejection as handled, so that it cannot end the process: callers see it, or the `error` event reports it. */
export function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Marks only our own errors as handled: no event reports an error of the application, so it stays unhandled unless a caller awaits it. */
export function unawaitedIfOurs<T>(promise: Promise<T>): Promise<T> {
  const answer: Promise<T> = promise.catch((error: unknown) => {
    if (error instanceof CacheError || error instanceof ArgumentError) void unawaited(answer);
    throw error;
  });
  return answer;
}

/** Delays between attempts: `factor` times longer each time up to `max`, with jitter of 25 % either way. */
export function* backoff(
  first: Milliseconds,
  factor: number,
  max: Milliseconds,
  random: () => number = Math.random,
): Generator<Milliseconds> {
  for (let delay = first; ; delay = Math.min(max, delay * factor)) yield delay * (0.75 + random() / 2);
}

/** Signals that end a pause early, and whether it keeps the process alive. */
export interface PauseOptions {
  readonly signal?: AbortSignal | undefined;
  /** The signal of the caller that pauses. */
  readonly caller?: AbortSignal | undefined;
  /** Does not keep the process alive. Default false. */
  readonly idle?: boolean | undefined;
}

/** Resolves after `time`, or as soon as a signal is aborted. */
export function pause(time: Milliseconds, { signal, caller, idle = false }: PauseOptions = {}): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted || caller?.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      caller?.removeEventListener('abort', end);
      resolve();
    };
    // Node warns of a negative time.
    const timer = setTimeout(end, Math.max(0, time));
    if (idle) timer.unref();
    signal?.addEventListener('abort', end, { once: true });
    caller?.addEventListener('abort', end, { once: true });
  });
}

/** A promise and the functions that settle it, as of `Promise.withResolvers`, which Node 20 lacks. */
export interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export function deferred(): Deferred {
  let settle: Pick<Deferred, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { ...(settle as unknown as Deferred), promise };
}
