import { ClosedError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { worthAnotherAttempt as isRetryable } from './another-attempt.js';
import type { Commands } from './commands.js';

/** The most deletions that may wait, 10 000 keys with their leases; one more fails loud, as all do without the queue. */
const maxDeletions = 20_000;
/** How many deletions are tried at first, to see whether Redis can be reached; doubled while some succeed. */
const probe = 16;
/** How long a deletion that Redis refuses waits for its next attempt, at first and at most. It doubles in between. */
const refusedWait: Milliseconds = 200;
const maxRefusedWait: Milliseconds = 30_000;

/** A deletion that waits. */
export interface Waiting {
  /** How many writes that would replace it are under way. */
  writes: number;
  /** Whether it is that of a lease, which no caller asked for by name. */
  readonly lease: boolean;
  /** If Redis has refused it, which was told of: how long it waits for the next attempt, and when that is due. */
  refusal?: { readonly wait: Milliseconds; readonly due: Milliseconds };
}

/** The deletions that wait for Redis, the last word on each key. */
export class WaitingDeletions {
  readonly #drop: Commands['drop'];
  readonly #onRefused: (error: Error, keys: readonly string[]) => void;
  /** By key in Redis. Each key is in `#unsent` or in `#refused` too. */
  readonly #waiting = new Map<string, Waiting>();
  /** To be sent as soon as Redis can be reached, in the order of their attempts. */
  readonly #unsent = new Set<string>();
  /** Refused by Redis: each has its own next attempt, so that none of them delays what is unsent. */
  readonly #refused = new Set<string>();
  #sending: Promise<void> | undefined;

  /** `onRefused`: told of each key once, leases left out. */
  constructor(drop: Commands['drop'], onRefused: (error: Error, keys: readonly string[]) => void) {
    this.#drop = drop;
    this.#onRefused = onRefused;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** How many of them a caller has asked for. */
  get asked(): number {
    return [...this.#waiting.values()].filter(({ lease }) => !lease).length;
  }

  has(key: string): boolean {
    return this.#waiting.has(key);
  }

  get(key: string): Waiting | undefined {
    return this.#waiting.get(key);
  }

  hasRoomFor(keys: readonly string[]): boolean {
    return this.#waiting.size + keys.filter((key) => !this.#waiting.has(key)).length <= maxDeletions;
  }

  /** Takes the place of an earlier deletion: a write or an attempt that is under way now comes before this one and does not settle it. */
  add(key: string, lease = false): void {
    this.#waiting.set(key, { writes: 0, lease });
    this.#refused.delete(key);
    this.#unsent.add(key);
  }

  /** The deletion has arrived, or a write that replaces it: it waits no longer, unless a later one does. */
  settle(key: string, entry: Waiting | undefined): void {
    if (entry === undefined || this.#waiting.get(key) !== entry) return;
    this.#waiting.delete(key);
    this.#unsent.delete(key);
    this.#refused.delete(key);
  }

  /** When the next attempt is due; `soon` for what is to be sent as soon as Redis can be reached. */
  nextAttempt(soon: Milliseconds): Milliseconds {
    if (this.#unsent.size > 0) return soon;
    let next = Number.POSITIVE_INFINITY;
    for (const key of this.#refused) next = Math.min(next, this.#waiting.get(key)?.refusal?.due ?? next);
    return next;
  }

  /** Makes refused deletions whose next attempt is due by this time ready to be sent. */
  retryRefused(by: Milliseconds): void {
    for (const key of this.#refused) {
      if ((this.#waiting.get(key)?.refusal?.due ?? 0) > by) continue;
      this.#refused.delete(key);
      this.#unsent.add(key);
    }
  }

  /** Sends what is unsent, until Redis cannot be reached. Never rejects. */
  send(): Promise<void> {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    const told: string[] = [];
    let refusal: unknown;
    let reached = true;
    for (let [size, left] = [probe, this.#unsent.size]; reached && left > 0; size *= 2) {
      const keys = this.#take(Math.min(size, left));
      left -= keys.length;
      reached = false;
      await Promise.all(
        keys.map(async (key) => {
          const entry = this.#waiting.get(key);
          if (!entry || entry.writes > 0) return;
          try {
            await this.#drop(key);
            reached = true;
            if (entry.writes === 0) this.settle(key, entry);
          } catch (error) {
            if (isRetryable(error) || error instanceof ClosedError) return;
            reached = true;
            if (this.#waiting.get(key) !== entry) return;
            if (!entry.refusal && !entry.lease) told.push(key);
            this.#refuse(key, entry);
            refusal = error;
          }
        }),
      );
    }
    if (told.length > 0) this.#onRefused(refusal as Error, told);
  }

  /** Takes unsent keys and puts them at the end: keys of a part of a cluster that is down hold up no others. */
  #take(count: number): string[] {
    const keys: string[] = [];
    for (const key of this.#unsent) {
      if (keys.length === count) break;
      keys.push(key);
    }
    for (const key of keys) {
      this.#unsent.delete(key);
      this.#unsent.add(key);
    }
    return keys;
  }

  #refuse(key: string, entry: Waiting): void {
    const wait = entry.refusal ? Math.min(entry.refusal.wait * 2, maxRefusedWait) : refusedWait;
    entry.refusal = { wait, due: performance.now() + wait };
    this.#unsent.delete(key);
    this.#refused.add(key);
  }
}
