import type { Milliseconds, WireTtl } from '../ttl.js';

/** Keys of tags that the process remembers at most, about 100 bytes each. */
const maxRemembered = 20_000;

/** A stamping under way. */
export interface Stamping {
  readonly keys: readonly string[];
  /** Keys that this process has invalidated since it began. */
  readonly stale: Set<string>;
}

/**
 * What all views of a store know about its tags, by their keys in Redis. Everything in here may be wrong without harm: a tag that ends
 * early, or was deleted by another process, makes entries miss and never brings one back.
 */
export class TagMemory {
  /** Counts invalidations: answers asked for before the last one are not shared. */
  round = 0;
  /** Until when each key lives at least, on the monotonic clock. */
  readonly #until = new Map<string, Milliseconds>();
  readonly #stampings = new Set<Stamping>();

  /** Whether the key is known to live for `life` from `now` on. */
  covers(key: string, now: Milliseconds, life: WireTtl): boolean {
    const until = this.#until.get(key);
    return until !== undefined && until >= (life === undefined ? Number.POSITIVE_INFINITY : now + life);
  }

  extended(key: string, now: Milliseconds, life: WireTtl): void {
    // Deleted first, so that the key extended longest ago is the first in the map.
    this.#until.delete(key);
    this.#until.set(key, life === undefined ? Number.POSITIVE_INFINITY : now + life);
    if (this.#until.size > maxRemembered) this.#until.delete(this.#until.keys().next().value as string);
  }

  forget(key: string): void {
    this.#until.delete(key);
  }

  begin(keys: readonly string[]): Stamping {
    const stamping = { keys, stale: new Set<string>() };
    this.#stampings.add(stamping);
    return stamping;
  }

  end(stamping: Stamping): void {
    this.#stampings.delete(stamping);
  }

  invalidated(keys: readonly string[]): void {
    this.round++;
    for (const key of keys) {
      this.#until.delete(key);
      for (const stamping of this.#stampings) if (stamping.keys.includes(key)) stamping.stale.add(key);
    }
  }

  /** The keys of all tags were deleted. */
  cleared(): void {
    this.round++;
    this.#until.clear();
  }
}
