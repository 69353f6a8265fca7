import { LRUCache } from 'lru-cache';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** An entry that is read often is touched once in this share of its time. */
const share = 1 / 8;
/** How many keys are known to have been touched lately. Others are touched at their next read. */
const maxKnown = 10_000;

/** That an entry was touched. */
interface Touch {
  /** The time of the view that read it. */
  readonly sliding: Milliseconds;
  /** When the next touch is due, on the monotonic clock. */
  readonly due: Milliseconds;
}

/**
 * Sliding expiration: each read renews the time to live of its entry. So that reads stay reads, and the near tier keeps what it holds, an
 * entry is touched once in an eighth of its time: it expires between 7/8 and the whole of it after its last read. The views of a store share
 * what they know. An entry that was written since then is touched at its next read.
 */
export class Sliding {
  readonly #touches = new LRUCache<string, Touch>({ max: maxKnown });

  /** Whether the entry has to be touched, now that it was read through a view with this time. */
  isDue(redisKey: string, sliding: Milliseconds): boolean {
    const touch = this.#touches.get(redisKey);
    return touch === undefined || touch.sliding !== sliding || performance.now() >= touch.due;
  }

  /** It is touched, and lives for `ttl` from now on: `maxTtl` and `ttlJitter` may leave it less than the time of the view. */
  touched(redisKey: string, sliding: Milliseconds, ttl: Milliseconds): void {
    this.#touches.set(redisKey, { sliding, due: performance.now() + ttl * share });
  }

  /** It is written or deleted, has another time, or could not be touched: the next read touches it. */
  forget(redisKey: string): void {
    if (this.#touches.size > 0) this.#touches.delete(redisKey);
  }

  /** Many entries are deleted. */
  forgetAll(): void {
    this.#touches.clear();
  }
}
