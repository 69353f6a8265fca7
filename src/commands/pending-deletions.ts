import {
  ClosedError,
  CommandError,
  ConnectionError,
  OverloadedError,
  PoolTimeoutError,
  ReadOnlyError,
  TimeoutError,
  UnavailableError,
  WriteRefusedError,
} from '../errors.js';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** The most deletions that may wait, 10 000 keys with their leases; one more fails loud, as all do without the queue. */
const maxDeletions = 20_000;
/** How many deletions are tried at first, to see whether Redis can be reached; doubled while some succeed. */
const probe = 16;
/** How long a deletion that Redis refuses waits for its next attempt, at first and at most. It doubles in between. */
const refusedWait: Milliseconds = 200;
const maxRefusedWait: Milliseconds = 30_000;

interface PendingDeletion {
  /** How many writes that would replace it are under way. */
  writes: number;
  /** Whether it is that of a lease, which no caller asked for by name. */
  readonly lease: boolean;
  /** If Redis has refused it, which was reported: how long it waits for the next attempt, and when that is due. */
  lastRefusal?: { readonly wait: Milliseconds; readonly due: Milliseconds };
}

/** The deletions that wait for Redis, the last word on each key. */
export class PendingDeletions {
  readonly #unlink: (key: string) => Promise<unknown>;
  readonly #onRefused: (error: Error, keys: readonly string[]) => void;
  /** By key in Redis. Each key is in `#unsent` or in `#refused` too. */
  readonly #waiting = new Map<string, PendingDeletion>();
  /** To be sent as soon as Redis can be reached, in the order of their attempts. */
  readonly #unsent = new Set<string>();
  /** Refused by Redis: each has its own next attempt, so that none of them delays what is unsent. */
  readonly #refused = new Set<string>();
  #sending: Promise<void> | undefined;

  /** `onRefused`: called once for each key, leases left out. */
  constructor(unlink: (key: string) => Promise<unknown>, onRefused: (error: Error, keys: readonly string[]) => void) {
    this.#unlink = unlink;
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

  get(key: string): PendingDeletion | undefined {
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
  settle(key: string, entry: PendingDeletion | undefined): void {
    if (entry === undefined || this.#waiting.get(key) !== entry) return;
    this.#waiting.delete(key);
    this.#unsent.delete(key);
    this.#refused.delete(key);
  }

  /** When the next attempt is due; `soon` for what is to be sent as soon as Redis can be reached. */
  nextAttempt(soon: Milliseconds): Milliseconds {
    if (this.#unsent.size > 0) return soon;
    let next = Number.POSITIVE_INFINITY;
    for (const key of this.#refused) next = Math.min(next, this.#waiting.get(key)?.lastRefusal?.due ?? next);
    return next;
  }

  /** Makes refused deletions whose next attempt is due by this time ready to be sent. */
  retryRefused(by: Milliseconds): void {
    for (const key of this.#refused) {
      if ((this.#waiting.get(key)?.lastRefusal?.due ?? 0) > by) continue;
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
    const refused: string[] = [];
    let lastRefusal: unknown;
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
            await this.#unlink(key);
            reached = true;
            if (entry.writes === 0) this.settle(key, entry);
          } catch (error) {
            if (isRetryable(error) || error instanceof ClosedError) return;
            reached = true;
            if (this.#waiting.get(key) !== entry) return;
            if (!entry.lastRefusal && !entry.lease) refused.push(key);
            this.#refuse(key, entry);
            lastRefusal = error;
          }
        }),
      );
    }
    if (refused.length > 0) this.#onRefused(lastRefusal as Error, refused);
  }

  /** Takes unsent keys and puts them at the end: keys of a part of a cluster that is down hold up no others. */
  #take(count: number): string[] {
    const keys = [...this.#unsent].slice(0, count);
    for (const key of keys) {
      this.#unsent.delete(key);
      this.#unsent.add(key);
    }
    return keys;
  }

  #refuse(key: string, entry: PendingDeletion): void {
    const wait = entry.lastRefusal ? Math.min(entry.lastRefusal.wait * 2, maxRefusedWait) : refusedWait;
    entry.lastRefusal = { wait, due: performance.now() + wait };
    this.#unsent.delete(key);
    this.#refused.add(key);
  }
}

/** The most clears that may wait, each of another scope; one more fails loud. */
const maxClears = 100;

/** A clear that can be sent later. */
export interface Clear {
  /** Names what it deletes: a second clear of the same scope is the same clear. */
  readonly scope: string;
  /** Whether it deletes this key in Redis, which reads as missing until then. */
  hides(key: string): boolean;
  run(): Promise<unknown>;
  /** Told of the error if Redis refuses the clear, which then waits no longer. */
  refused(error: unknown): void;
}

/** The clears that wait for Redis, in order. */
export class PendingClears {
  readonly #waiting = new Map<string, Clear>();
  #sending: Promise<void> | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  /** Whether one is being sent: its own scan must see the keys that it hides from others. */
  get sending(): boolean {
    return this.#sending !== undefined;
  }

  /** @returns false if there is no room */
  add(clear: Clear): boolean {
    if (!this.#waiting.has(clear.scope) && this.#waiting.size === maxClears) return false;
    // To the end, as another object: one of this scope that is being sent may have passed what this one is to delete.
    this.#waiting.delete(clear.scope);
    this.#waiting.set(clear.scope, clear);
    return true;
  }

  hides(key: string): boolean {
    for (const clear of this.#waiting.values()) if (clear.hides(key)) return true;
    return false;
  }

  /** Sends them one after another, until Redis cannot be reached. Never rejects. */
  send(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    for (const clear of [...this.#waiting.values()]) {
      try {
        await clear.run();
      } catch (error) {
        if (isRetryable(error) || error instanceof ClosedError) return;
        if (this.#isLatest(clear)) clear.refused(error);
      }
      if (this.#isLatest(clear)) this.#waiting.delete(clear.scope);
    }
  }

  #isLatest(clear: Clear): boolean {
    return this.#waiting.get(clear.scope) === clear;
  }
}

/** Whether another attempt may fare better: Redis was not reached, or is in no state to write (a replica after a failover, a disk that is full). */
export function isRetryable(error: unknown): boolean {
  if (error instanceof CommandError) {
    return error instanceof UnavailableError || error instanceof ReadOnlyError || error instanceof WriteRefusedError;
  }
  return [ConnectionError, TimeoutError, OverloadedError, PoolTimeoutError].some((kind) => error instanceof kind);
}
