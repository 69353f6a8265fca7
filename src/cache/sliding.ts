import { LRUCache } from 'lru-cache';
import type { KeySpace } from '../keys/keyspace.js';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** An entry that is read often is touched once in this share of its time. */
const share = 1 / 8;
/** How many keys are known to have been touched lately. Others are touched at their next read. */
const maxKnown = 10_000;

/**
 * Sliding expiration: each read renews the time to live of its entry. So that reads stay reads, and the near tier keeps what it holds, an
 * entry is touched once in an eighth of its time: it expires between 7/8 and the whole of it after its last read.
 */
export class Sliding {
  readonly time: Milliseconds;
  /** When each is due, on the monotonic clock. */
  readonly #due = new LRUCache<string, Milliseconds>({ max: maxKnown });

  constructor(time: Milliseconds) {
    this.time = time;
  }

  /** Whether the entry has to be touched, now that it was read. */
  isDue(key: string): boolean {
    const due = this.#due.get(key);
    return due === undefined || performance.now() >= due;
  }

  /** The entry is touched, and lives this long from now on: `maxTtl` and `ttlJitter` may leave it less than the time of the view. */
  touched(key: string, time: Milliseconds): void {
    this.#due.set(key, performance.now() + time * share);
  }

  /** The entry could not be touched: the next read tries again. */
  failed(key: string): void {
    this.#due.delete(key);
  }
}

/** What a store knows of the entries that it has touched, whichever of its views has read them. */
export class Slidings {
  readonly #known = new WeakMap<KeySpace, Map<Milliseconds, Sliding>>();

  of(keys: KeySpace, time: Milliseconds): Sliding {
    const byTime = this.#known.get(keys) ?? new Map<Milliseconds, Sliding>();
    this.#known.set(keys, byTime);
    const sliding = byTime.get(time) ?? new Sliding(time);
    byTime.set(time, sliding);
    return sliding;
  }
}
