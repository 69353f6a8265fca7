import { AuthenticationError, ConnectionError } from '../errors.js';
import { shown } from '../messages.js';
import { type Milliseconds, maxTimerDelay } from '../ttl.js';
import type { OnError } from './connection.js';
import { toConnectionError } from './reply-errors.js';

/**
 * The default backoff: at random up to a bound, so that a fleet spreads out. The bound doubles with each retry, from 50 to 1000 ms. It is 2
 * to 30 s if Redis refuses the password: a retry will not fix it soon, and each attempt costs the server.
 */
export function reconnectStrategy(retries: number, cause?: unknown, random: () => number = Math.random): Milliseconds {
  const [first, max] = cause !== undefined && toConnectionError(cause) instanceof AuthenticationError ? [2000, 30_000] : [50, 1000];
  return Math.round(Math.min(max, first * 2 ** Math.min(retries, 10)) * random());
}

/**
 * The delay before the next attempt, from the user's `reconnectStrategy` as node-redis interprets it, or from ours. `undefined`: give up.
 * As in node-redis, a strategy that throws or returns anything but `false`, an Error or a number is reported, and ours used.
 */
export function retryIn(strategy: unknown, retries: number, cause: unknown, onError: OnError): Milliseconds | undefined {
  if (strategy === undefined) return reconnectStrategy(retries, cause);
  try {
    const answer = typeof strategy === 'function' ? strategy(retries, cause) : strategy;
    if (answer === false || answer instanceof Error) return undefined;
    if (typeof answer !== 'number' || Number.isNaN(answer)) throw new TypeError(`it gave ${shown(answer)}`);
    // Beyond it, Node would not wait at all.
    return Math.min(answer, maxTimerDelay);
  } catch (error) {
    onError(new ConnectionError(`the reconnectStrategy failed: ${(error as Error)?.message}`, { cause: error }));
    return reconnectStrategy(retries, cause);
  }
}
