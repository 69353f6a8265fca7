import { type RedisStore, TimeoutError } from '../../src/index.js';
import { Lag } from './chaos/lag.js';

/** A call that failed, and when it settled by the clock of the load. */
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
export function load(store: RedisStore, workers = 30): { now(): number; stop(): Promise<LoadReport> } {
  let running = true;
  let calls = 0;
  let longest = 0;
  const failures: Failure[] = [];
  const wrong: unknown[] = [];
  const lag = new Lag();
  /** Stands still while the process does not run. */
  const now = (): number => performance.now() - lag.total;

  async function settled<T>(call: Promise<T>): Promise<T | undefined> {
    const start = now();
    calls++;
    try {
      return await call;
    } catch (error) {
      failures.push({ at: now(), code: error instanceof TimeoutError ? 'ERR_TIMEOUT' : (error as { code: string }).code });
      return undefined;
    } finally {
      longest = Math.max(longest, now() - start);
    }
  }

  async function work(id: number): Promise<void> {
    for (let n = 1; running; n++) {
      const key = `load:${id}:${n % 5}`;
      await settled(store.set(key, { key, n }));
      const value = await settled(store.get<{ key: string; n: number }>(key));
      if (value !== undefined && (value.key !== key || value.n > n)) wrong.push({ key, n, value });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const all = Promise.all(Array.from({ length: workers }, (_, id) => work(id)));
  return {
    now,
    async stop() {
      running = false;
      await all;
      lag.stop();
      return { calls, failures, longest, wrong };
    },
  };
}

/** What a call gives, and how long it takes in milliseconds, without the time in which the process did not run. */
export async function timed<T>(call: () => Promise<T>): Promise<{ value: T; took: number }> {
  const lag = new Lag();
  const start = performance.now();
  try {
    const value = await call();
    return { value, took: performance.now() - start - lag.total };
  } finally {
    lag.stop();
  }
}

/** How long a call takes, whether it resolves or rejects. */
export async function timeToSettle(call: () => Promise<unknown>): Promise<number> {
  return (await timed(() => call().catch(() => {}))).took;
}

/** Milliseconds from the promotion to the last call that failed. */
export function recovery({ failures }: LoadReport, promoted: number): number {
  return Math.round(Math.max(0, ...failures.map(({ at }) => at - promoted)));
}
