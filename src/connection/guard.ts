import { ClosedError, TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Connection } from './connection.js';
import { Deadlines } from './deadlines.js';
import type { Pool } from './pool.js';
import { settledWithin } from './settled-within.js';

/**
 * Gives every use of the pool a deadline: waiting for a connection, connecting, and waiting for the answer together.
 * What comes later than that is dropped. Closing it waits for what is under way, and closes the pool only where it is `owned`.
 */
export function guard(pool: Pool, timeout: Milliseconds, owned = true): Pool {
  const calls = new Deadlines(timeout);
  let closing: Promise<void> | undefined;

  async function drainAndClose(grace: Milliseconds): Promise<void> {
    const start = performance.now();
    await settledWithin(calls.drained(), grace);
    if (owned) await pool.close(Math.max(0, grace - (performance.now() - start)));
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
        const call = calls.begin(reject);
        // A pool may lend after the deadline: nothing is sent then.
        const lend = (connection: Connection): Promise<T> => (call.reject ? work(connection) : Promise.reject(new TimeoutError(timeout)));
        pool.use(lend).then(
          (value) => {
            calls.end(call);
            resolve(value);
          },
          (error) => {
            calls.end(call);
            reject(error);
          },
        );
      });
    },
  };
}
