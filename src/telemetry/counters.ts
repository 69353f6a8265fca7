import type { Stored } from '../codec/codec.js';
import { BreakerOpenError, OverloadedError, TimeoutError } from '../errors.js';
import { Sizes } from './sizes.js';

/**
 * What a store counts. Plain numbers, bumped where the thing happens, so that counting costs next to nothing;
 * `stats()` is what makes sense of them.
 */
export class Counters {
  /** Values that were found, and reads that found none, whichever tier answered. */
  hits = 0;
  misses = 0;
  /** Those of them that a near tier answered, without asking Redis. */
  nearHits = 0;
  nearMisses = 0;
  /** Entries that were handed to Redis to be stored. */
  writes = 0;
  /** Keys that Redis was told to delete. */
  deletes = 0;
  /** Bytes of values, as they are stored; may hold a fraction. */
  bytesRead = 0;
  bytesWritten = 0;
  /** Operations that failed, whether their callers were told or not; those past their deadline; those that were never sent. */
  failures = 0;
  timeouts = 0;
  refused = 0;
  /** Calls of functions given to `getOrSet`. */
  loads = 0;
  /** Values served past their time to live, while or because a newer one could not be had. */
  staleServed = 0;
  /** Callers that waited for another process to make the value. */
  leaseWaits = 0;
  /** How often Redis was given up: the breaker opened from being closed. */
  opened = 0;
  #sizes = new Sizes();

  /** A value was found. */
  hit(stored: Stored): void {
    this.hits++;
    this.bytesRead += this.#sizes.of(stored);
  }

  /** An entry was handed over. */
  write(stored: Stored): void {
    this.writes++;
    this.bytesWritten += this.#sizes.of(stored);
  }

  failed(error: unknown): void {
    this.failures++;
    if (error instanceof TimeoutError) this.timeouts++;
    else if (error instanceof BreakerOpenError || error instanceof OverloadedError) this.refused++;
  }

  reset(): void {
    Object.assign(this, new Counters());
    this.#sizes = new Sizes();
  }
}
