import { LRUCache } from 'lru-cache';
import type { Milliseconds } from '../ttl.js';
import { evict, type NearEntry, useInterval, weight } from './entry.js';
import { RememberedKeys } from './remembered-keys.js';

/** The part of the entries and bytes that the small queue may have while others have to leave. */
const smallShare = 1 / 10;
/** After how many uses an entry goes to the main queue. Those of a burst are noted as one. */
const provenUses = 2;

export interface QueueBounds {
  /** The most entries. */
  readonly max: number;
  /** The most bytes of entries, as {@link weight} counts them. */
  readonly maxBytes: number;
}

/**
 * Entries under their keys, bounded by number and bytes, in two queues (2Q). New entries wait in the small one, of which the oldest leaves
 * while it has a tenth of the entries or bytes: a scan passes through it. An entry that is used twice there moves on to the main one, of
 * which the least recently used leaves. Keys that leave the small queue are remembered, and keys that are deleted from the main one: what
 * is set under them again goes to the main queue.
 *
 * {@link evict} is called once for each entry that leaves.
 */
export class TwoQueues {
  readonly #max: number;
  readonly #maxBytes: number;
  readonly #smallMax: number;
  readonly #smallMaxBytes: number;
  readonly #main: LRUCache<string, NearEntry>;
  readonly #small: LRUCache<string, NearEntry>;
  readonly #remembered: RememberedKeys;

  constructor({ max, maxBytes }: QueueBounds) {
    this.#max = max;
    this.#maxBytes = maxBytes;
    this.#smallMax = max * smallShare;
    this.#smallMaxBytes = maxBytes * smallShare;
    const sizeCalculation = (near: NearEntry, key: string): number => weight(key, near);
    // Room is made before an entry is added, so neither evicts by itself. One that is made with `max` reserves memory for so many entries.
    this.#small = new LRUCache({ maxSize: maxBytes, sizeCalculation });
    this.#main = new LRUCache({ max, maxSize: maxBytes, sizeCalculation });
    this.#remembered = new RememberedKeys(maxBytes);
  }

  /** How many entries there are, remembered keys not included. */
  get size(): number {
    return this.#small.size + this.#main.size;
  }

  /** The bytes of the entries, remembered keys not included. */
  get calculatedSize(): number {
    return this.#small.calculatedSize + this.#main.calculatedSize;
  }

  /** How many keys without entries are remembered. */
  get remembered(): number {
    return this.#remembered.size;
  }

  /** The entry, which is used `now`. */
  get(key: string, now: Milliseconds): NearEntry | undefined {
    const proven = this.#main.get(key);
    const near = proven ?? this.#small.peek(key);
    if (near === undefined || now - near.used <= useInterval) return near;
    near.used = now;
    near.uses++;
    if (near !== proven && near.uses >= provenUses) {
      this.#small.delete(key);
      this.#main.set(key, near);
    }
    return near;
  }

  /** Puts an entry in, in place of one that is there under the key. One larger than `maxBytes` is not held. */
  set(key: string, near: NearEntry): void {
    this.delete(key);
    const bytes = weight(key, near);
    if (bytes > this.#maxBytes) return;
    const isProven = this.#remembered.delete(key);
    while (this.size >= this.#max || this.calculatedSize + bytes > this.#maxBytes) this.#evictOne();
    (isProven ? this.#main : this.#small).set(key, near);
  }

  /** Deletes the entry. One that was in the main queue returns to it when it is set again. */
  delete(key: string): void {
    const proven = this.#main.peek(key);
    const near = proven ?? this.#small.peek(key);
    if (near === undefined) return;
    if (near === proven) {
      this.#main.delete(key);
      this.#remembered.add(key, this.size);
    } else this.#small.delete(key);
    evict(near);
  }

  clear(): void {
    for (const queue of [this.#small, this.#main]) {
      for (const near of queue.values()) evict(near);
      queue.clear();
    }
    this.#remembered.clear();
  }

  /** The keys of the entries, the least valuable first. */
  *rkeys(): Generator<string> {
    yield* this.#small.rkeys();
    yield* this.#main.rkeys();
  }

  #evictOne(): void {
    const { size, calculatedSize } = this.#small;
    const isSmallFull = size >= this.#smallMax || calculatedSize >= this.#smallMaxBytes;
    if (size > 0 && (isSmallFull || this.#main.size === 0)) {
      const key = this.#small.rkeys().next().value as string;
      evict(this.#small.pop() as NearEntry);
      this.#remembered.add(key, this.size);
    } else evict(this.#main.pop() as NearEntry);
  }
}
