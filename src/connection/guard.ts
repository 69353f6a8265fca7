import { ClosedError, CommandError, ConnectionError, OverloadedError, UnavailableError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { abortable } from './abortable.js';
import { Breaker, type BreakerOptions, type BreakerState } from './breaker.js';
import type { Connection } from './connection.js';
import { Deadlines, Tally } from './deadlines.js';
import { Lent } from './lent.js';
import type { Pool } from './pool.js';
import { settledWithin } from './settled-within.js';

/** What calls are held to. */
export interface GuardOptions {
  readonly timeout: Milliseconds;
  readonly breaker: BreakerOptions | false;
  readonly maxPending: number;
  readonly onBreaker?: (state: BreakerState) => void;
}

/** Bounds for some calls, other than the store's. */
export interface CallOptions {
  /** The deadline in milliseconds. Default: the store's. */
  readonly timeout?: Milliseconds | undefined;
  /** Gives the call up: it rejects with an AbortedError. What was sent stays sent. */
  readonly signal?: AbortSignal | undefined;
}

export interface GuardedPool extends Pool {
  readonly breaker: BreakerState;
  /** How many uses are under way. */
  readonly pending: number;
  /**
   * When Redis last failed: nothing was answered in all the time of a use, a connection was lost under one, or a node said that it cannot serve. On the monotonic
   * clock; `-Infinity` for never.
   */
  readonly failedAt: Milliseconds;
  /** Past the breaker: for those who want to know how Redis is. */
  probe<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /** The same pool, with other bounds for its calls. */
  within(options: CallOptions): Pool;
}

/**
 * Gives every use of the pool a deadline (waiting for a connection, connecting, and waiting for the answer together), refuses
 * it while the breaker is open, and bounds how many are under way. What comes later than its deadline is dropped. Closing it
 * waits for what is under way, and closes the pool only where it is `owned`.
 */
export function guard(pool: Pool, options: GuardOptions, owned = true): GuardedPool {
  const { timeout: standard, maxPending, onBreaker } = options;
  const status = (): NonNullable<Pool['status']> => pool.status ?? 'idle';
  const breaker = options.breaker === false ? undefined : new Breaker(options.breaker, status, onBreaker);
  const underWay = new Tally();
  const deadlinesOf = (timeout: Milliseconds): Deadlines =>
    new Deadlines(timeout, underWay, ({ mark }, error) => {
      // A shorter deadline is its caller's haste.
      if (timeout >= standard && mark === answers) failedAt = performance.now();
      breaker?.failed(error, mark === answers);
    });
  const calls = deadlinesOf(standard);
  const outside = new Deadlines(standard, underWay);
  let failedAt = Number.NEGATIVE_INFINITY;
  let answers = 0;
  let closing: Promise<void> | undefined;

  async function drainAndClose(grace: Milliseconds): Promise<void> {
    const start = performance.now();
    await settledWithin(underWay.drained(), grace);
    if (owned) await pool.close(Math.max(0, grace - (performance.now() - start)));
  }

  function run<T>(
    work: (connection: Connection) => Promise<T>,
    deadlines: Deadlines,
    breaker: Breaker | undefined,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call = deadlines.begin(reject, answers);
      pool
        .use((connection) => work(new Lent(connection, call, deadlines.timeout, signal)))
        .then(
          (value) => {
            // Late, but an answer.
            if (deadlines !== outside) answers++;
            breaker?.answered();
            deadlines.end(call);
            resolve(value);
          },
          (error) => {
            if (deadlines !== outside && error instanceof CommandError && !(error instanceof UnavailableError)) answers++;
            if (deadlines.end(call)) {
              if (error instanceof ConnectionError || error instanceof UnavailableError) failedAt = performance.now();
              breaker?.failed(error, call.mark === answers);
            }
            reject(error);
          },
        );
    });
  }

  function use<T>(work: (connection: Connection) => Promise<T>, deadlines = calls, signal?: AbortSignal): Promise<T> {
    if (closing) return Promise.reject(new ClosedError());
    if (underWay.count >= maxPending) return Promise.reject(new OverloadedError(maxPending));
    const refusal = breaker?.refusal();
    return refusal === undefined ? run(work, deadlines, breaker, signal) : Promise.reject(refusal);
  }

  return {
    get status() {
      return closing ? 'closed' : status();
    },
    get breaker() {
      return breaker?.state ?? 'closed';
    },
    get pending() {
      return underWay.count;
    },
    get failedAt() {
      return failedAt;
    },
    get client() {
      return pool.client;
    },
    close(grace) {
      closing ??= drainAndClose(grace);
      return closing;
    },
    use: (work) => use(work),
    probe: (work) => (closing ? Promise.reject(new ClosedError()) : run(work, outside, undefined, undefined)),
    within({ timeout = standard, signal }) {
      const deadlines = deadlinesOf(timeout);
      return {
        use: (work) => (signal ? abortable(signal, () => use(work, deadlines, signal)) : use(work, deadlines)),
        close: async () => {},
      };
    },
  };
}
