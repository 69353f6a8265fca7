import { AuthenticationError, ConnectionError } from '../errors.js';
import { shown } from '../messages.js';
import { clearInterval, performance, setImmediate, setInterval } from '../time/clock.js';
import { after, maxLateness, tick } from '../time/deadlines.js';
import type { Milliseconds } from '../ttl.js';
import type { OnError } from './connection.js';
import { toConnectionError } from './reply-errors.js';

/** Minimum time between two replacements of a connection whose server is a replica: the store may be meant to read from one. */
export const replacementInterval: Milliseconds = 5000;

/**
 * The default backoff: 25 to 1000 ms, doubled with each retry, half of it jitter so that a fleet spreads out. 1 to 30 s if Redis refuses
 * the password: a retry will not fix it soon, and each attempt costs the server.
 */
export function reconnectStrategy(retries: number, cause?: unknown, random: () => number = Math.random): Milliseconds {
  const [first, max] = cause !== undefined && toConnectionError(cause) instanceof AuthenticationError ? [2000, 30_000] : [50, 1000];
  return Math.round(Math.min(max, first * 2 ** Math.min(retries, 10)) * (0.5 + random() / 2));
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
    return answer;
  } catch (error) {
    onError(new ConnectionError(`the reconnectStrategy failed: ${(error as Error)?.message}`, { cause: error }));
    return reconnectStrategy(retries, cause);
  }
}

/** Times one step of connecting at a time. Time in which the process was busy does not count: what has arrived is read first. */
export class ConnectTimer {
  #cancel = (): void => {};

  /** Calls `act` after `time`, unless it ends before. 0 for ever. */
  begin(time: Milliseconds, act: () => void): void {
    this.#cancel();
    this.#cancel = time > 0 ? after(time, act) : () => {};
  }

  end(): void {
    this.#cancel();
  }
}

/** Detects a connection with commands in flight that shows no sign of life. Costs two counters for a command, and one coarse timer. */
export class LivenessMonitor {
  readonly #timeout: Milliseconds;
  readonly #onDead: () => void;
  #inFlight = 0;
  #sawReply = false;
  #lastReply = 0;
  #lastTick = 0;
  /** When the longest deadline of the callers ends, if it is longer than the timeout. */
  #waitUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeout: Milliseconds, onDead: () => void) {
    this.#timeout = timeout;
    this.#onDead = onDead;
  }

  /** A command was sent. `timeout`: the deadline of its caller. */
  sent(timeout = 0): void {
    this.#inFlight++;
    const time = timeout + maxLateness;
    if (time > this.#timeout) this.#waitUntil = Math.max(this.#waitUntil, performance.now() + time);
    if (this.#timer === undefined) this.#start();
  }

  /** A reply came, or the command failed with its connection. */
  settled(): void {
    this.#inFlight--;
    this.#sawReply = true;
  }

  /** The connection is gone, and every command in flight with it. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#lastReply = this.#lastTick = performance.now();
    this.#sawReply = false;
    this.#timer = setInterval(() => this.#check(), tick);
  }

  #check(): void {
    if (this.#timer === undefined) return;
    const now = performance.now();
    const lateness = now - this.#lastTick - tick;
    this.#lastTick = now;
    if (lateness > tick) {
      // Time in which the process was busy does not count. Replies that have arrived are read first.
      this.#lastReply += lateness;
      setImmediate(() => this.#check());
    } else if (this.#inFlight === 0) this.stop();
    else if (this.#sawReply) {
      this.#sawReply = false;
      this.#lastReply = now;
    } else if (now - this.#lastReply >= this.#timeout && now >= this.#waitUntil) {
      this.stop();
      this.#onDead();
    }
  }
}
