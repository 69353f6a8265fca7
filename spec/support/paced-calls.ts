import { setTimeout as sleep } from 'node:timers/promises';
import type { CacheError, RedisStore } from '../../src/index.js';

/** One get, on the clock of `performance.now()`. */
export interface PacedCall {
  readonly began: number;
  readonly time: number;
  readonly isHit: boolean;
  /** Whether the breaker refused it. */
  readonly wasRefused: boolean;
}

/** Gets `k`, of a store whose failures reject (`onFailure: 'throw'`), so many times a second at most, without waiting for the answers, for `time` milliseconds. Resolves when all have settled. */
export async function pacedCalls(store: RedisStore, rate: number, time: number): Promise<PacedCall[]> {
  const calls: Promise<PacedCall>[] = [];
  const start = performance.now();
  while (performance.now() - start < time) {
    calls.push(timed(store));
    // What a busy process has missed is not made up for: calls of one tick would share one command, and its fate.
    await sleep(1000 / rate);
  }
  return Promise.all(calls);
}

async function timed(store: RedisStore): Promise<PacedCall> {
  const began = performance.now();
  const [value, code] = await store.get('k').then(
    (found) => [found],
    (error: CacheError) => [undefined, error.code],
  );
  return { began, time: performance.now() - began, isHit: value !== undefined, wasRefused: code === 'ERR_BREAKER_OPEN' };
}

/** The beginning of the first stretch of time, of so many milliseconds, in which most calls missed. */
export function firstBadTime(calls: readonly PacedCall[], span: number): number {
  const start = (calls[0] as PacedCall).began;
  for (let from = start; ; from += span) {
    const those = calls.filter(({ began }) => began >= from && began < from + span);
    if (those.length === 0) throw new Error('most calls were hits all the time');
    if (those.filter(({ isHit }) => !isHit).length * 2 > those.length) return from;
  }
}

/** The mean time of the calls that the breaker refused. */
export function meanRefusal(calls: readonly PacedCall[]): number {
  const refused = calls.filter(({ wasRefused }) => wasRefused);
  return refused.reduce((sum, { time }) => sum + time, 0) / refused.length;
}
