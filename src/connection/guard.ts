import { ClosedError, TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Connection } from './connection.js';
import type { Pool } from './pool.js';
import { settledWithin } from './settled-within.js';

interface Pending {
  readonly deadline: number;
  settled: boolean;
  expire(): void;
}

/** How far past its deadline a call may settle: one timer looks after all calls, this often. */
const tick: Milliseconds = 50;

/**
 * Gives every use of the pool a deadline: waiting for a connection, connecting, and waiting for the answer together.
 * What comes later than that is dropped. All deadlines are equally far away, so they end in the order they began, and one
 * coarse timer that runs while anything is pending serves them all. Closing it closes the pool only where it is `owned`.
 */
export function guard(pool: Pool, timeout: Milliseconds, owned = true, now: () => number = performance.now.bind(performance)): Pool {
  let closing: Promise<void> | undefined;
  const pending: Pending[] = [];
  let head = 0;
  let timer: NodeJS.Timeout | undefined;

  let inFlight = 0;
  let drained: (() => void) | undefined;
  let last = 0;

  function sweep(): void {
    const time = now();
    // The process was busy: answers may be waiting to be read, and timers come before them.
    if (time - last > 3 * tick && last !== 0) {
      last = 0;
      setImmediate(sweep);
      return;
    }
    last = time;
    while (head < pending.length) {
      const first = pending[head] as Pending;
      if (!first.settled && first.deadline > time) break;
      if (!first.settled) first.expire();
      head++;
    }
    pending.splice(0, head);
    head = 0;
    if (pending.length > 0) return;
    clearInterval(timer);
    timer = undefined;
    last = 0;
  }

  function settle(entry: Pending): void {
    if (entry.settled) return;
    entry.settled = true;
    inFlight--;
    if (inFlight === 0) drained?.();
  }

  async function drainAndClose(grace: Milliseconds): Promise<void> {
    const start = now();
    if (inFlight > 0) {
      await settledWithin(
        new Promise<void>((resolve) => {
          drained = resolve;
        }),
        grace,
      );
    }
    if (owned) await pool.close(Math.max(0, grace - (now() - start)));
  }

  return {
    get status() {
      return closing ? 'closed' : (pool.status ?? 'idle');
    },
    get client() {
      return pool.client;
    },
    close(grace) {
      closing ??= drainAndClose(grace);
      return closing;
    },
    use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
      if (closing) return Promise.reject(new ClosedError());
      return new Promise<T>((resolve, reject) => {
        const entry: Pending = {
          deadline: now() + timeout,
          settled: false,
          expire() {
            settle(entry);
            reject(new TimeoutError(timeout));
          },
        };
        inFlight++;
        pending.push(entry);
        if (timer === undefined) {
          timer = setInterval(sweep, tick);
          last = now();
        }
        // A pool may lend after the deadline: nothing is sent then.
        const lend = (connection: Connection): Promise<T> => (entry.settled ? Promise.reject(new TimeoutError(timeout)) : work(connection));
        pool.use(lend).then(
          (value) => {
            settle(entry);
            resolve(value);
          },
          (error) => {
            settle(entry);
            reject(error);
          },
        );
      });
    },
  };
}
