import { ArgumentError, CacheError } from './errors.js';

/**
 * The same promise, whose rejection does not end the process if nothing awaits it: callers that do see it, and for the others the `error`
 * event is enough.
 */
export function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * The same for a call that may also reject with an error of the application, which no event reports: that one is unhandled if nothing
 * awaits the call.
 */
export function unawaitedIfOurs<T>(promise: Promise<T>): Promise<T> {
  const answer: Promise<T> = promise.catch((error: unknown) => {
    if (error instanceof CacheError || error instanceof ArgumentError) void unawaited(answer);
    throw error;
  });
  return answer;
}
