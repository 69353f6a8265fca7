// For the study only: what lru-cache alone can be made to do.
import { LRUCache } from 'lru-cache';

/**
 * 2Q of three lru-caches, bounded by entries and by bytes. New entries wait in a small queue, which gives way first once it has a tenth of
 * the entries. Those used twice go on to the main cache, which evicts the least recently used. Keys that leave otherwise are remembered, and
 * go to the main cache if they return.
 */
export class TwoQueues {
  #small;
  #main;
  #remembered;
  #max;
  #maxBytes;
  #smallMax;

  constructor(max, maxBytes = 64 * 2 ** 20) {
    this.#max = max;
    this.#maxBytes = maxBytes;
    this.#smallMax = Math.ceil(max / 10);
    const sizeCalculation = (node, key) => 128 + key.length + node.value.length;
    // With room for the entry that makes another leave: neither evicts by itself.
    const bounds = { max: max + 1, maxSize: 2 * maxBytes, maxEntrySize: maxBytes, sizeCalculation };
    this.#small = new LRUCache(bounds);
    this.#main = new LRUCache(bounds);
    this.#remembered = new LRUCache({ max });
  }

  get(key) {
    const node = this.#main.get(key);
    if (node) return node.value;
    const fresh = this.#small.peek(key);
    if (fresh) fresh.uses++;
    return fresh?.value;
  }

  set(key, value) {
    const node = { value, uses: 0 };
    const isProven = this.#main.has(key) || this.#remembered.delete(key);
    (isProven ? this.#main : this.#small).set(key, node);
    while (this.#isOver()) this.#evict();
  }

  /** What was in the main cache returns to it. */
  delete(key) {
    if (this.#main.delete(key)) this.#remembered.set(key, true);
    else this.#small.delete(key);
  }

  #isOver() {
    return this.#small.size + this.#main.size > this.#max || this.#small.calculatedSize + this.#main.calculatedSize > this.#maxBytes;
  }

  #evict() {
    if (this.#main.size > 0 && this.#small.size <= this.#smallMax) {
      this.#main.pop();
      return;
    }
    const [key] = this.#small.rkeys();
    const node = this.#small.peek(key);
    this.#small.delete(key);
    if (node.uses > 1) this.#main.set(key, node);
    else this.#remembered.set(key, true);
  }
}
