import type { Milliseconds, WireTtl } from '../ttl.js';

/** Half of the tags that the process remembers at most, about 100 bytes each. */
const maxYoung = 10_000;

/** What is known of the key of a tag. */
export interface KnownTag {
  /** Until when it lives at least, on the monotonic clock. */
  readonly until: Milliseconds;
  /** What it holds; `undefined` until Redis has answered. */
  id: string | undefined;
}

/** A stamping under way. */
export interface Stamping {
  readonly tags: readonly string[];
  /** Tags that this process has invalidated since it began. */
  readonly stale: Set<string>;
}

/**
 * What all views of a store know about its tags. Everything in here may be wrong without harm: a tag that ends
 * early, or was deleted by another process, makes entries miss and never brings one back.
 */
export class TagMemory {
  /** Counts invalidations: answers asked for before the last one are not shared. */
  round = 0;
  #young = new Map<string, KnownTag>();
  /** Those before, forgotten together when there are as many young ones: one by one, the oldest of a map takes a search. */
  #old = new Map<string, KnownTag>();
  readonly #stampings = new Set<Stamping>();

  /** Whether the key of the tag is known to live for `life` from `now` on. */
  covers(tag: string, now: Milliseconds, life: WireTtl): boolean {
    const known = this.#find(tag);
    return known !== undefined && known.until >= (life === undefined ? Number.POSITIVE_INFINITY : now + life);
  }

  /** Whether what is known is about the key that holds this id, and not about one that another process has invalidated since. */
  isAbout(tag: string, id: string): boolean {
    const known = this.#find(tag);
    return known !== undefined && (known.id === undefined || known.id === id);
  }

  extended(tag: string, now: Milliseconds, life: WireTtl): KnownTag {
    if (this.#young.size >= maxYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    const known = { until: life === undefined ? Number.POSITIVE_INFINITY : now + life, id: undefined };
    this.#young.set(tag, known);
    return known;
  }

  forget(tag: string): void {
    this.#young.delete(tag);
    this.#old.delete(tag);
  }

  begin(tags: readonly string[]): Stamping {
    const stamping = { tags, stale: new Set<string>() };
    this.#stampings.add(stamping);
    return stamping;
  }

  end(stamping: Stamping): void {
    this.#stampings.delete(stamping);
  }

  invalidated(tags: readonly string[]): void {
    this.round++;
    for (const tag of tags) {
      this.forget(tag);
      for (const stamping of this.#stampings) if (stamping.tags.includes(tag)) stamping.stale.add(tag);
    }
  }

  /** The keys of all tags were deleted. */
  cleared(): void {
    this.round++;
    this.#young.clear();
    this.#old.clear();
  }

  #find(tag: string): KnownTag | undefined {
    return this.#young.get(tag) ?? this.#old.get(tag);
  }
}
