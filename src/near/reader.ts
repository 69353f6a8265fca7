import { performance } from 'node:perf_hooks';
import type { KeySpace } from '../keys/keyspace.js';
import type { Milliseconds } from '../ttl.js';
import type { Kept } from './kept.js';
import type { NearTier } from './tier.js';

/** An entry that is asked for more often than this is noted as used only this often: that is exact enough to evict by. */
const grain: Milliseconds = 100;

/**
 * Finds entries by the caller's key. To make the wire key and to hash it takes longer than all the rest of a hit, so the entries found
 * last are at hand under the callers' own keys. They are the tier's: what it drops is dead here too.
 */
export class NearReader {
  readonly #tier: NearTier;
  readonly #keys: KeySpace;
  readonly #known = new Map<string, Kept>();

  constructor(tier: NearTier, keys: KeySpace) {
    this.#tier = tier;
    this.#keys = keys;
  }

  /** The entry, where there is one that may be served. */
  find(key: string): Kept | undefined {
    const now = performance.now();
    const kept = this.#known.get(key);
    if (kept === undefined || !kept.alive || now - kept.used > grain) return this.#look(key, now);
    return now < this.#tier.trustedUntil && now < kept.deadline ? kept : undefined;
  }

  #look(key: string, now: Milliseconds): Kept | undefined {
    const kept = this.#tier.find(this.#keys.toWire(key), now);
    // A key function of the user's own may depend on more than the key.
    if (this.#keys.varies) return kept;
    if (kept === undefined) this.#known.delete(key);
    else {
      kept.used = now;
      if (this.#known.size >= this.#tier.max) this.#known.clear();
      this.#known.set(key, kept);
    }
    return kept;
  }
}
