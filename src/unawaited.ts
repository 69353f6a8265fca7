import { setImmediate } from 'node:timers';

/** Errors that an `error` event has told of, and whether anything listened to it. */
const told = new WeakMap<Error, boolean>();
/** Codes that a warning has told of. */
const warned = new Set<unknown>();
let listening = false;

/**
 * Keeps the process alive if nothing handles the rejection with this error. Callers that await it see it; for the others the `error` event
 * is enough. It cannot be done by handling our own promise only: cache-manager 5 and helper functions of the application return
 * promises of their own that reject with the same error.
 *
 * Node ends a process for an unhandled rejection unless something listens. So this listens until all promises that depend on ours have
 * settled, which is before the next turn of the event loop, and lets other errors through.
 */
export function survivable<E extends Error>(error: E, heard: boolean): E {
  told.set(error, heard);
  if (!listening) {
    listening = true;
    process.on('unhandledRejection', onUnhandled);
    setImmediate(() => {
      process.off('unhandledRejection', onUnhandled);
      listening = false;
    });
  }
  return error;
}

function onUnhandled(reason: unknown): void {
  const heard = reason instanceof Error ? told.get(reason) : undefined;
  if (heard === false) warn(reason as Error & { readonly code?: unknown });
  // Not ours: without another listener Node would end the process, and so does this.
  if (heard === undefined && process.listenerCount('unhandledRejection') === 1) throw reason;
}

/** Once per code: nothing awaited the call and nothing listens to `error`. */
function warn({ code, message }: Error & { readonly code?: unknown }): void {
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(`a redis-tier call that nothing awaited failed, and nothing listens to \`error\`: ${message}`, {
    code: 'REDIS_TIER_UNAWAITED',
  });
}
