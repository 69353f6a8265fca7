import { callOptions } from '../call-options.js';
import type { BreakerState } from '../connection/breaker.js';
import { ArgumentError, expected } from '../errors.js';
import type { NearHolding } from '../near/tier.js';
import type { Counters } from './counters.js';

/** What one tier answered. */
export interface TierStats {
  /** Values that it had. */
  readonly hits: number;
  /** Reads that it answered with: there is none. */
  readonly misses: number;
}

/** What a store did since it was made, or since its numbers were last reset. */
export interface StoreStats extends TierStats {
  /**
   * Of `hits` and `misses`, those a near tier in this process answered, and what it holds now, which is not reset; zeros where there is
   * none.
   */
  readonly near: TierStats & NearHolding;
  /** Of `hits` and `misses`, those Redis answered. */
  readonly redis: TierStats;
  /** Entries handed over to be stored; those that failed are among `failures` too. */
  readonly writes: number;
  /** Keys handed over to be deleted, whether they were there or not. */
  readonly deletes: number;
  /** Operations that failed, those that became a miss included: as many as there are `error` events with an `operation`. */
  readonly failures: number;
  /** Of `failures`, those past their deadline. */
  readonly timeouts: number;
  /** Of `failures`, those that were not sent: the breaker was open, or `maxPending` operations were under way. */
  readonly refused: number;
  /** Calls of functions given to `getOrSet`. */
  readonly loads: number;
  /** Values served past their time to live. */
  readonly staleServed: number;
  /** Callers that waited for another process to make the value. */
  readonly leaseWaits: number;
  /**
   * Bytes of the values that were found, as they are stored: serialized, compressed. Exact where they are ASCII or
   * bytes, and for a `get` that the near tier answered; else of texts the first 61 are measured and then one in 61, and the rest is estimated by those.
   */
  readonly bytesRead: number;
  /** Bytes of the values handed over to be stored, measured likewise. */
  readonly bytesWritten: number;
  /** Commands and pipelines under way now. Not reset. */
  readonly pending: number;
  readonly breaker: {
    /** Now. Not reset. */
    readonly state: BreakerState;
    /** How often it opened from being closed. Trials that failed do not count. */
    readonly opened: number;
  };
}

export interface StatsOptions {
  /** Start from zero after this: what happens from now on is in the next. Default false. */
  readonly reset?: boolean | undefined;
}

/** The counters made into words, and the state of the connection at this moment. */
export function readStats(
  counters: Counters,
  now: { readonly breaker: BreakerState; readonly pending: number; readonly near?: NearHolding | undefined },
  options?: StatsOptions,
): StoreStats {
  const { reset = false } = callOptions('stats', options, { reset: true });
  if (typeof reset !== 'boolean') throw new ArgumentError(expected('reset', 'a boolean', reset));
  const { nearHits, nearMisses, bytesRead, bytesWritten, opened, ...counted } = counters;
  const { hits, misses } = counters;
  if (reset) counters.reset();
  return {
    ...counted,
    bytesRead: Math.round(bytesRead),
    bytesWritten: Math.round(bytesWritten),
    near: { hits: nearHits, misses: nearMisses, entries: now.near?.entries ?? 0, bytes: now.near?.bytes ?? 0 },
    redis: { hits: hits - nearHits, misses: misses - nearMisses },
    pending: now.pending,
    breaker: { state: now.breaker, opened },
  };
}

/** For the breaker to tell: counts how often it opens from being closed. */
export function countingOpenings(counters: Counters): (state: BreakerState) => void {
  let before: BreakerState = 'closed';
  return (state) => {
    if (before === 'closed' && state === 'open') counters.opened++;
    before = state;
  };
}
