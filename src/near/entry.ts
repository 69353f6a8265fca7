import { isUtf8 } from 'node:buffer';
import { isFramed, missingNearby, ownMemory, type ReadEntry, type Stored, StoredEntry } from '../codec/entry.js';
import type { Milliseconds } from '../ttl.js';

/** The option `near`, checked and complete. */
export interface NearSettings {
  readonly max: number;
  readonly maxBytes: number;
  readonly ttl: Milliseconds;
  readonly freeze: boolean;
  readonly maxStaleness: Milliseconds;
}

/** What the near tier holds under a key. */
export interface NearEntry {
  /** The answer to a read; `undefined` if only the existence of the key is known, or the tier has evicted this. */
  entry: ReadEntry | undefined;
  /** Until when it may be served. This and `used` are on the monotonic clock. */
  readonly deadline: Milliseconds;
  /** When a use was last noted, and how many were: see {@link useInterval}. */
  used: Milliseconds;
  uses: number;
  /** The decoded value, if it is frozen and shared. */
  value: unknown;
  isShared: boolean;
  isEvicted: boolean;
}

/** The use of an entry is noted this often at most, which is exact enough for eviction. */
export const useInterval: Milliseconds = 100;

/** What was true of a key until the connection was lost, and until when it may be served. */
export interface LostEntry {
  readonly key: string;
  readonly entry: ReadEntry | undefined;
  readonly deadline: Milliseconds;
}

/** Receives the entries, the most valuable last. */
export type OnLost = (lost: readonly LostEntry[]) => void;

/** A near entry that can answer a read. */
export type ReadableEntry = NearEntry & { readonly entry: ReadEntry };

/**
 * `entry`: what Redis answered; `undefined` if it only said that the key exists. One of more than `maxBytes` is not copied, for the tier will
 * not hold it: a hundred of them in one answer would be in memory twice.
 */
export function newNearEntry(entry: ReadEntry | undefined, deadline: Milliseconds, maxBytes: number): NearEntry {
  const content = entry?.found && entry.bytes.length > maxBytes ? entry : entry && ownCopy(entry);
  return { entry: content, deadline, used: Number.NEGATIVE_INFINITY, uses: 0, value: undefined, isShared: false, isEvicted: false };
}

/** Releases the contents: callers may still hold this entry. */
export function evict(near: NearEntry): void {
  near.isEvicted = true;
  near.isShared = false;
  near.entry = undefined;
  near.value = undefined;
}

/** Whether the tier knows what the key holds, a missing key included. */
export function isReadable(near: NearEntry | undefined): near is ReadableEntry {
  return near?.entry !== undefined;
}

/** Whether the value of the near entry was decoded from the same bytes as this answer of Redis. */
export function hasPayloadOf(near: NearEntry | undefined, entry: StoredEntry): near is ReadableEntry {
  if (!near?.entry?.found) return false;
  const { payload } = near.entry;
  return typeof payload === 'string' || typeof entry.payload === 'string'
    ? String(payload) === String(entry.payload)
    : payload.equals(entry.payload);
}

/** Bytes that an entry counts for: key and value, and the bookkeeping. */
export function weight(key: string, { entry }: NearEntry): number {
  return keyWeight(key) + (entry?.found ? entry.bytes.length : 0);
}

/** Bytes that a key counts for without an entry, with the bookkeeping. */
export function keyWeight(key: string): number {
  return 128 + key.length;
}

/** Freezes the decoded value and shares it from now on, if that is possible. */
export function share<T>(near: NearEntry | undefined, value: T): T {
  if (value !== undefined && deepFreeze(value) && near && !near.isEvicted) {
    near.value = value;
    near.isShared = true;
  }
  return value;
}

/**
 * The entry in memory of its own: an answer is a view into the memory of the socket. Text becomes a string, which no caller can change and
 * which is decoded faster.
 */
function ownCopy(entry: ReadEntry): ReadEntry {
  if (!entry.found) return missingNearby;
  return StoredEntry.parse(ownBytes(entry.bytes), 'near', Buffer.byteLength(entry.payload));
}

function ownBytes(bytes: Stored): Stored {
  if (typeof bytes === 'string') return bytes;
  if (!isFramed(bytes) && isUtf8(bytes)) return bytes.toString();
  return ownMemory(bytes);
}

/** The most members and elements of a value that is frozen: to look at one takes a quarter of a microsecond. */
const maxFrozen = 200_000;

/**
 * Freezes plain objects and arrays of plain data, with all they hold. If they hold anything else (a Buffer, a Map, a Date, an instance of a
 * class, an accessor), or too much, nothing is frozen.
 *
 * @returns whether callers can share the value
 */
export function deepFreeze(value: unknown): boolean {
  const found = new Set<object>();
  const open = [value];
  let members = 0;
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'function') return false;
    if (typeof next !== 'object' || next === null || found.has(next)) continue;
    if (!isPlain(next)) return false;
    found.add(next);
    if (Array.isArray(next) && next.length > maxFrozen) return false;
    const names = Reflect.ownKeys(next);
    members += names.length;
    if (members > maxFrozen) return false;
    for (const name of names) {
      const property = Object.getOwnPropertyDescriptor(next, name) as PropertyDescriptor;
      if (!('value' in property)) return false;
      open.push(property.value);
    }
  }
  for (const object of found) Object.freeze(object);
  return true;
}

function isPlain(object: object): boolean {
  if (Array.isArray(object)) return Object.getPrototypeOf(object) === Array.prototype;
  const prototype = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}

/** Loads that wait for a change of a key. */
export class KeyWatchers {
  readonly #watchers = new Map<string, Set<AbortController>>();

  /** Watches the keys. The signal is aborted at the first change of one. */
  watch(keys: readonly string[]): { readonly signal: AbortSignal; end(): void } {
    const watcher = new AbortController();
    for (const key of keys) {
      const others = this.#watchers.get(key);
      if (others) others.add(watcher);
      else this.#watchers.set(key, new Set([watcher]));
    }
    const end = (): void => {
      for (const key of keys) {
        const watchers = this.#watchers.get(key);
        if (watchers?.delete(watcher) && watchers.size === 0) this.#watchers.delete(key);
      }
    };
    return { signal: watcher.signal, end };
  }

  /** The key has changed. */
  notify(key: string): void {
    if (this.#watchers.size === 0) return;
    for (const watcher of this.#watchers.get(key) ?? []) watcher.abort();
  }

  /** Any key may have changed. */
  notifyAll(): void {
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.abort();
  }
}
