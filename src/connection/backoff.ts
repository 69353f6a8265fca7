import { AuthenticationError, ConnectionError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { notConnected } from './refusals.js';

/**
 * Backoff between 25 and 1000 ms: doubled each time, with half of it random, so that a fleet does not come back as one. Between
 * 1 and 30 s where Redis refuses the password: it will not be right in a moment, and each attempt costs the server.
 */
export function reconnectStrategy(retries: number, cause?: unknown, random: () => number = Math.random): Milliseconds {
  const [first, most] = cause !== undefined && notConnected(cause) instanceof AuthenticationError ? [2000, 30_000] : [50, 1000];
  return Math.round(Math.min(most, first * 2 ** Math.min(retries, 10)) * (0.5 + random() / 2));
}

/**
 * When to try again by the user's `reconnectStrategy`, as node-redis takes it, or by ours; `undefined` for giving up. One that
 * throws, or gives neither `false` nor an Error nor a number, is told of and ours used, as node-redis does.
 */
export function retryIn(
  strategy: unknown,
  retries: number,
  cause: unknown,
  onError: (error: ConnectionError) => void,
): Milliseconds | undefined {
  if (strategy === undefined) return reconnectStrategy(retries, cause);
  try {
    const answer = typeof strategy === 'function' ? strategy(retries, cause) : strategy;
    if (answer === false || answer instanceof Error) return undefined;
    if (typeof answer !== 'number' || Number.isNaN(answer)) throw new TypeError(`it gave ${String(answer)}`);
    return answer;
  } catch (error) {
    onError(new ConnectionError(`the reconnectStrategy failed: ${(error as Error)?.message}`, { cause: error }));
    return reconnectStrategy(retries, cause);
  }
}
