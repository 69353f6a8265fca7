import { LRUCache } from 'lru-cache';
import { ownMemory, type ReadEntry, type Stored, StoredEntry } from '../codec/entry.js';
import { batchSize, never } from '../commands/commands.js';
import type { BreakerState } from '../telemetry/events.js';
import { performance, setImmediate } from '../time/clock.js';
import type { Milliseconds, RedisTtl } from '../ttl.js';
import type { LostEntry } from './entry.js';

/** The option `offline`, checked and complete. */
export interface OfflineSettings {
  readonly max: number;
  readonly ttl: Milliseconds;
}

/** The most bytes of keys and values that are held, as the near tier's default. */
const maxBytes = 64 * 2 ** 20;
/** The most bytes of one value: a larger one would evict too many others. */
const maxValueBytes = maxBytes / 16;

/** What is held under a key. */
export interface HeldEntry {
  /** `undefined`: deleted here, still being encoded, or too large. */
  entry: StoredEntry | undefined;
  /** Until when it may be served. This and `ends` are on the monotonic clock. */
  deadline: Milliseconds;
  /** When it ends in Redis; `undefined` if that is not known. */
  ends: Milliseconds | undefined;
  /** The moment of the last write or deletion here. A read from before it is older. */
  changedAt: number;
  /** The moment at which it was last read from Redis. */
  recordedAt: number;
  /** Whether that write or deletion is under way. */
  isChanging: boolean;
  /** Why it is no longer held, if it is not. */
  gone: 'replaced' | 'evicted' | undefined;
}

/** One that can answer a read. */
export type ServableEntry = HeldEntry & { readonly entry: StoredEntry };

/**
 * What this process has read, made or written in the last moments, recorded all the time, and served while the circuit breaker is not
 * closed. All of it is dropped when the breaker closes.
 */
export class OfflineMemory {
  /** Whether Redis is known to be away. */
  isAway = false;
  readonly #ttl: Milliseconds;
  readonly #entries: LRUCache<string, HeldEntry>;
  #isClosed = false;
  /** Counts what was read, written and deleted: the moment of now. */
  #moment = 0;
  /** Reads that began before this moment are not recorded: what is newer may be forgotten. */
  #forgottenUntil = 0;
  /** The last moment of a read whose entry was evicted. */
  #evictedReadAt = 0;

  constructor({ max, ttl }: OfflineSettings) {
    this.#ttl = ttl;
    this.#entries = new LRUCache<string, HeldEntry>({
      max,
      maxSize: maxBytes,
      sizeCalculation: ({ entry }, key) => 128 + key.length + (entry?.bytes.length ?? 0),
      dispose: (held, _key, reason) => {
        held.gone = reason === 'set' ? 'replaced' : 'evicted';
        if (reason !== 'evict') return;
        this.#forgottenUntil = Math.max(this.#forgottenUntil, held.changedAt);
        this.#evictedReadAt = Math.max(this.#evictedReadAt, held.recordedAt);
      },
    });
  }

  /** Passed to `record` with the answer of a read that begins now, and to `made` with the value of a function that does. */
  get moment(): number {
    return this.#moment;
  }

  breakerChanged(state: BreakerState): void {
    this.isAway = state !== 'closed' && !this.#isClosed;
    if (state === 'closed') this.clear();
  }

  /** The entry, if it may be served. */
  find(key: string): ServableEntry | undefined {
    const held = this.#entries.get(key);
    if (held?.entry === undefined) return undefined;
    const now = performance.now();
    return now < held.deadline && now < (held.ends ?? Number.POSITIVE_INFINITY) ? (held as ServableEntry) : undefined;
  }

  /** What is held of these keys; `undefined` if Redis is not away, or nothing is. */
  findAny(keys: readonly string[]): (StoredEntry | undefined)[] | undefined {
    if (!this.isAway) return undefined;
    const found = keys.map((key) => this.find(key)?.entry);
    return found.some((entry) => entry !== undefined) ? found : undefined;
  }

  /** Holds the answer of a read, unless its key has changed since the read began. `left`: what PTTL answered, if it was asked. */
  record(key: string, entry: ReadEntry, began: number, left?: Milliseconds): void {
    const held = this.#entries.get(key);
    if (began < this.#forgottenUntil || (held && (held.isChanging || held.changedAt > began))) return;
    // One that ages is of no use without its time.
    if (!entry.found || entry.bytes.length > maxValueBytes || (entry.staleFor > 0 && left === undefined)) {
      if (held) this.#entries.delete(key);
      return;
    }
    const now = performance.now();
    const ends = left === undefined ? undefined : left === never ? Number.POSITIVE_INFINITY : now + left;
    const recordedAt = ++this.#moment;
    if (held?.entry !== undefined && isSame(held.entry.bytes, entry.bytes)) {
      held.recordedAt = recordedAt;
      held.deadline = now + this.#ttl;
      held.ends = ends ?? (held.ends !== undefined && held.ends > now ? held.ends : undefined);
      return;
    }
    // That of the near tier has memory of its own.
    const own = entry.tier === 'near' ? entry : ownEntry(entry.bytes);
    this.#entries.set(key, { entry: own, deadline: now + this.#ttl, ends, changedAt: 0, recordedAt, isChanging: false, gone: undefined });
  }

  /** Holds what the near tier held, which was true until `began`. Bit by bit: it may be much, and the process has other work. */
  takeOver(lost: readonly LostEntry[], began = this.#moment): void {
    const now = performance.now();
    for (const { key, entry, deadline } of lost.slice(0, batchSize)) {
      if (!entry?.found || now >= deadline || (this.#entries.peek(key)?.recordedAt ?? 0) > began) continue;
      // The near tier knows no time left of an entry without an end, and keeps none beyond its end.
      this.record(key, entry, began, deadline === Number.POSITIVE_INFINITY ? never : deadline - now);
    }
    if (lost.length > batchSize) setImmediate(() => this.takeOver(lost.slice(batchSize), began));
  }

  /** A write of this value begins, or without one a deletion. It is ended by {@link ended}. */
  change(key: string, value?: Stored | Promise<Stored>, ttl?: RedisTtl): HeldEntry {
    const now = performance.now();
    const entry = value === undefined || value instanceof Promise ? undefined : ownEntry(value);
    const ends = now + (ttl ?? Number.POSITIVE_INFINITY);
    const changedAt = ++this.#moment;
    const held: HeldEntry = { entry, deadline: now + this.#ttl, ends, changedAt, recordedAt: 0, isChanging: true, gone: undefined };
    this.#entries.set(key, held);
    if (value instanceof Promise) value.then((bytes) => this.#fill(key, held, bytes)).catch(() => {});
    return held;
  }

  /** The write or deletion has ended. `isTrue`: whether what it wrote may be served. */
  ended(held: HeldEntry, isTrue: boolean): void {
    this.#moment++;
    if (held.gone === 'evicted') this.#forgottenUntil = this.#moment;
    if (held.gone !== undefined) return;
    held.changedAt = this.#moment;
    held.isChanging = false;
    if (!isTrue) held.entry = undefined;
  }

  /** Holds a value that was made since `began` while Redis could not be asked, unless a newer one was read or written meanwhile. */
  made(key: string, value: Stored | Promise<Stored>, ttl: RedisTtl, began = this.#moment): void {
    const { changedAt = 0, recordedAt = 0 } = this.#entries.get(key) ?? {};
    if (Math.max(changedAt, recordedAt, this.#forgottenUntil, this.#evictedReadAt) > began) return;
    const held = this.change(key, value, ttl);
    const ended = (): void => this.ended(held, true);
    if (value instanceof Promise) value.then(ended, ended);
    else ended();
  }

  /** The generation of a tag while Redis is away: the one that is held, which stays as long as it is used, else `id`. */
  generation(key: string, id: string | undefined): string | undefined {
    const held = this.find(key);
    if (held === undefined) {
      if (id !== undefined) this.made(key, id, undefined);
      return id;
    }
    this.extend(held);
    return String(held.entry.bytes);
  }

  /** Entries are bounded by their own deadlines: the tag that they need stays as long as it is used. */
  extend(held: HeldEntry): void {
    held.deadline = performance.now() + this.#ttl;
    held.ends = undefined;
  }

  /** Drops keys that a scan has found, which may be many. */
  evict(keys: readonly string[]): void {
    for (const key of keys) this.#entries.delete(key);
    this.#forgottenUntil = ++this.#moment;
  }

  evictMatching(test: (key: string) => boolean): void {
    this.evict([...this.#entries.keys()].filter(test));
  }

  clear(): void {
    this.#entries.clear();
    this.#forgottenUntil = ++this.#moment;
  }

  close(): void {
    this.#isClosed = true;
    this.isAway = false;
    this.clear();
  }

  #fill(key: string, held: HeldEntry, bytes: Stored): void {
    // A value that is encoded after its write has ended was never sent.
    if (held.gone !== undefined || !held.isChanging) return;
    held.entry = ownEntry(bytes);
    // Weighed anew.
    this.#entries.set(key, held);
  }
}

/** The entry in memory of its own: an answer is a view into the memory of the socket. */
function ownEntry(bytes: Stored): StoredEntry | undefined {
  if (bytes.length > maxValueBytes) return undefined;
  return StoredEntry.parse(typeof bytes === 'string' ? bytes : ownMemory(bytes), 'near');
}

function isSame(one: Stored, other: Stored): boolean {
  if (typeof one === typeof other) return typeof one === 'string' ? one === other : one.equals(other as Buffer);
  return Buffer.from(one as string).equals(Buffer.from(other as string));
}
