import type { Stamps } from '../codec/tag-header.js';
import type { Ttl } from '../ttl.js';
import { wireTtl } from '../ttl.js';
import { checkTags } from './tags.js';

/** What the function of `getOrSet` is given. */
export interface FactoryContext<T = unknown> {
  readonly key: string;
  /** Aborted when the store is disconnected, after what was under way had its time to end. */
  readonly signal: AbortSignal;
  /** The old value that is being renewed, a copy of its own; `undefined` where there is none, or none that may be served. */
  readonly stale: T | undefined;
  /** Do not store what this call gives: only the callers in this process get it. An old value stays where it is. */
  skip(): void;
  /** The time to live of what this call gives, for one that depends on the value. */
  setTtl(ttl: Ttl): void;
  /**
   * Tags beside those of the call, for those that depend on what is read. Call it before reading what they stand for: once it has
   * resolved, an invalidation that comes later wins. Where the tags cannot be read nothing is stored.
   */
  setTags(tags: readonly string[]): Promise<void>;
}

/** Makes the value of a key. A rejection is its callers' to see, and never stored. */
export type Factory<T> = (context: FactoryContext<T>) => T | Promise<T>;

/** One call of the function, and what the function said about what it gives. */
export class Making implements FactoryContext {
  skipped = false;
  /** The tags that were set on the way. */
  readonly tags: string[] = [];

  readonly #stamps: (tags: readonly string[]) => Promise<Stamps>;
  readonly #later: Promise<Stamps>[] = [];

  constructor(
    readonly key: string,
    readonly signal: AbortSignal,
    readonly stale: unknown,
    public ttl: Ttl,
    stamps: (tags: readonly string[]) => Promise<Stamps>,
  ) {
    this.#stamps = stamps;
  }

  /** The same as they were then. */
  async later(): Promise<Stamps> {
    // Of one that was set twice the first: what came between the two counts as well.
    return new Map((await Promise.all(this.#later)).reverse().flatMap((stamps) => [...stamps]));
  }

  // Bound, so that they can be taken apart: `({ skip }) => …`.
  readonly skip = (): void => {
    this.skipped = true;
  };

  readonly setTtl = (ttl: Ttl): void => {
    if (ttl !== undefined) wireTtl(ttl);
    this.ttl = ttl;
  };

  readonly setTags = async (tags: readonly string[]): Promise<void> => {
    const stamps = this.#stamps(checkTags(tags));
    this.tags.push(...tags);
    this.#later.push(stamps);
    // Whoever stores the value is told.
    await stamps.catch(() => {});
  };
}
