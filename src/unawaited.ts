/**
 * The same promise, whose rejection does not end the process if nothing awaits it: callers that do see it, and for the others the `error`
 * event is enough.
 */
export function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
