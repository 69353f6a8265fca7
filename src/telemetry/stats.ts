import { callOptions, checkArgument } from '../checks.js';
import type { Stored, Tier } from '../codec/entry.js';
import { BackpressureError, BreakerOpenError, OverloadedError, TimeoutError } from '../errors.js';
import type { BreakerState } from './events.js';

/** The content of a near tier. */
export interface NearHolding {
  /** Entries, known misses included. */
  readonly entries: number;
  /** Bytes of keys and stored values, plus 128 per entry: the number that `maxBytes` bounds. */
  readonly bytes: number;
}

/** The answers of one tier. */
export interface TierStats {
  /** Reads that found a value. */
  readonly hits: number;
  /** Reads that found none. */
  readonly misses: number;
}

/** The numbers of a store since its construction or last reset. */
export interface StoreStats extends TierStats {
  /** The share of this process (the near tier, and `offline` during an outage) in `hits` and `misses`, and the content of the near tier now, which is not reset. */
  readonly near: TierStats & NearHolding;
  /** The share of Redis in `hits` and `misses`. */
  readonly redis: TierStats;
  /** Attempted writes, in entries. Failed ones count in `failures` too. */
  readonly writes: number;
  /** Attempted deletions, in keys, whether or not the keys existed. */
  readonly deletes: number;
  /** Failed operations, also those that became a miss: the number of `error` events with an `operation`. */
  readonly failures: number;
  /** The `failures` by a deadline. */
  readonly timeouts: number;
  /** The `failures` that were not sent: the breaker was open, `maxPending` operations were pending, or the network took no more. */
  readonly refused: number;
  /** Calls of `getOrSet` functions. */
  readonly loads: number;
  /** Stale values served. */
  readonly staleServed: number;
  /** Callers that waited for the lease of another process. */
  readonly leaseWaits: number;
  /**
   * Bytes of the values found, as stored: serialized and compressed. Exact for bytes, ASCII, and a `get` that the near tier answered. Of
   * other texts the first 61 and then one in 61 are measured, and the rest is estimated from those.
   */
  readonly bytesRead: number;
  /** Bytes of the entries written, measured likewise, with the header of an entry that has tags or a stale window. */
  readonly bytesWritten: number;
  /** Pending commands and pipelines now. Not reset. */
  readonly pending: number;
  /** The circuit breaker. */
  readonly breaker: {
    /** Its state now. Not reset. */
    readonly state: BreakerState;
    /** How often it opened from closed. Failed trials do not count. */
    readonly opened: number;
  };
}

/** The options of `stats`. */
export interface StatsOptions {
  /** Resets the counters after reading them. Default false. */
  readonly reset?: boolean | undefined;
}

/** The stats of a store: its counters, and the current state of its connection. @throws {ArgumentError} for wrong options */
export function readStats(
  counters: Counters,
  now: { readonly breaker: BreakerState; readonly pending: number; readonly near?: NearHolding | undefined },
  options?: StatsOptions,
): StoreStats {
  const { reset = false } = callOptions('stats', options, { reset: true });
  checkArgument('reset', 'a boolean', reset, typeof reset === 'boolean');
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

/** Failures of operations that were not sent. */
const refusals = [BackpressureError, BreakerOpenError, OverloadedError];

/** The counters of {@link StoreStats}: plain numbers, incremented at the event, so that counting is nearly free. */
export class Counters {
  hits = 0;
  misses = 0;
  nearHits = 0;
  nearMisses = 0;
  writes = 0;
  deletes = 0;
  /** These bytes may be fractional estimates. */
  bytesRead = 0;
  bytesWritten = 0;
  failures = 0;
  timeouts = 0;
  refused = 0;
  loads = 0;
  staleServed = 0;
  leaseWaits = 0;
  opened = 0;
  #sizes = new Sizes();
  /** The `failures` before the last reset. */
  #earlierFailures = 0;

  /** A read found an entry. @returns how many bytes the value has in Redis, if that is known */
  hit({ payload, size, tier }: { readonly payload: Stored; readonly size: number | undefined; readonly tier: Tier }): number | undefined {
    this.hits++;
    if (tier === 'near') this.nearHits++;
    this.bytesRead += size ?? this.#sizes.of(payload);
    return size;
  }

  miss(tier: Tier): void {
    this.misses++;
    if (tier === 'near') this.nearMisses++;
  }

  write(stored: Stored): void {
    this.writes++;
    this.bytesWritten += this.#sizes.of(stored);
  }

  failed(error: unknown): void {
    this.failures++;
    if (error instanceof TimeoutError) this.timeouts++;
    else if (refusals.some((kind) => error instanceof kind)) this.refused++;
  }

  /** The `failures` of all time. */
  get allFailures(): number {
    return this.#earlierFailures + this.failures;
  }

  reset(): void {
    this.#earlierFailures = this.allFailures;
    Object.assign(this, new Counters());
    this.#sizes = new Sizes();
  }
}

/** One in so many texts is measured, after as many at the start. A prime, so that it does not align with patterns of the caller. */
const sampling = 61;

/** Estimates the size of values from a sample: measuring each text would take longer than all other counting. Exact for ASCII. */
export class Sizes {
  #texts = 0;
  #characters = 0;
  #bytes = 0;
  #ratio = 1;

  of(stored: Stored): number {
    if (typeof stored !== 'string') return stored.length;
    const index = this.#texts++;
    if (index >= sampling && index % sampling !== 0) return stored.length * this.#ratio;
    const bytes = Buffer.byteLength(stored);
    this.#characters += stored.length;
    this.#bytes += bytes;
    if (bytes > 0) this.#ratio = this.#bytes / this.#characters;
    return bytes;
  }
}
