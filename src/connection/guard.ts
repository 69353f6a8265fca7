import { ClosedError, TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Connection } from './connection.js';
import type { Pool } from './pool.js';

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

  function sweep(): void {
    const time = now();
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
  }

  return {
    get status() {
      return closing ? 'closed' : (pool.status ?? 'idle');
    },
    get client() {
      return pool.client;
    },
    close(grace) {
      closing ??= owned ? pool.close(grace) : Promise.resolve();
      return closing;
    },
    use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
      if (closing) return Promise.reject(new ClosedError());
      return new Promise<T>((resolve, reject) => {
        const entry: Pending = {
          deadline: now() + timeout,
          settled: false,
          expire() {
            entry.settled = true;
            reject(new TimeoutError(timeout));
          },
        };
        pending.push(entry);
        timer ??= setInterval(sweep, tick);
        // A pool may lend after the deadline: nothing is sent then.
        const lend = (connection: Connection): Promise<T> => (entry.settled ? Promise.reject(new TimeoutError(timeout)) : work(connection));
        pool.use(lend).then(
          (value) => {
            entry.settled = true;
            resolve(value);
          },
          (error) => {
            entry.settled = true;
            reject(error);
          },
        );
      });
    },
  };
}
