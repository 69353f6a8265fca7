import { type RedisStore, TimeoutError } from '../../src/index.js';
import { Lag } from './chaos/lag.js';

/** A call that failed, and when it settled. */
export interface Failure {
  readonly at: number;
  readonly code: string;
}

export interface LoadReport {
  readonly calls: number;
  readonly failures: readonly Failure[];
  /** Of the call that took longest, in milliseconds, without the time in which the process did not run. */
  readonly longest: number;
  /** Values that were never written under the key they came from. */
  readonly wrong: readonly unknown[];
}

/**
 * Sets and gets on many keys at once until it is told to stop. The store must be one that says of each call whether it failed
 * (`onFailure: 'throw'`).
 */
export function load(store: RedisStore, workers = 60): { stop(): Promise<LoadReport> } {
  let running = true;
  let calls = 0;
  let longest = 0;
  const failures: Failure[] = [];
  const wrong: unknown[] = [];
  const lag = new Lag();

  async function timed<T>(call: Promise<T>): Promise<T | undefined> {
    const start = performance.now() - lag.total;
    calls++;
    try {
      return await call;
    } catch (error) {
      failures.push({ at: performance.now(), code: error instanceof TimeoutError ? 'ERR_TIMEOUT' : (error as { code: string }).code });
      return undefined;
    } finally {
      longest = Math.max(longest, performance.now() - lag.total - start);
    }
  }

  async function work(id: number): Promise<void> {
    for (let n = 1; running; n++) {
      const key = `load:${id}:${n % 5}`;
      await timed(store.set(key, { key, n }));
      const value = await timed(store.get<{ key: string; n: number }>(key));
      if (value !== undefined && (value.key !== key || value.n > n)) wrong.push({ key, n, value });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const all = Promise.all(Array.from({ length: workers }, (_, id) => work(id)));
  return {
    async stop() {
      running = false;
      await all;
      lag.stop();
      return { calls, failures, longest, wrong };
    },
  };
}

/** How long a call takes to settle, in milliseconds, without the time in which the process did not run. */
export async function timeToSettle(call: () => Promise<unknown>): Promise<number> {
  const lag = new Lag();
  const start = performance.now();
  try {
    await call().catch(() => {});
    return performance.now() - start - lag.total;
  } finally {
    lag.stop();
  }
}

/** Milliseconds from the promotion to the last call that failed. */
export function recovery({ failures }: LoadReport, promoted: number): number {
  return Math.round(Math.max(0, ...failures.map(({ at }) => at - promoted)));
}
