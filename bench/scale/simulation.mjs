// The near cache as a simulation, read by read: each process with its least recently used entries, the server with its table of who has read
// what. It holds the formulas of near-model.mjs to account where no machine could run as many processes.
import { zipf } from './zipf.mjs';

/** The same figures as the model's, per read. `writeShare`: writes for each read. The first half of the reads only fills the caches. */
export function simulate({ keys, exponent, processes, writeShare, max, tableMax = Number.POSITIVE_INFINITY, reads, random }) {
  const pick = zipf(keys, exponent, random);
  const caches = Array.from({ length: processes }, () => new Map());
  const table = new Table(tableMax, random);
  let counts = { reads: 0, hits: 0, writes: 0, pushes: 0, keys: 0, items: 0, samples: 0 };
  const invalidate = (key) => {
    for (const process of table.remove(key)) {
      counts.pushes++;
      caches[process].delete(key);
    }
  };
  for (let i = 0; i < reads; i++) {
    if (i === reads >> 1) counts = { reads: 0, hits: 0, writes: 0, pushes: 0, keys: 0, items: 0, samples: 0 };
    if (random() < writeShare) {
      counts.writes++;
      invalidate(pick());
    }
    const [process, key] = [Math.floor(random() * processes), pick()];
    const cache = caches[process];
    counts.reads++;
    if (cache.delete(key)) counts.hits++;
    else {
      table.add(key, process);
      while (table.isOver) invalidate(table.any());
      if (cache.size >= max) cache.delete(cache.keys().next().value);
    }
    // The server answers, and pushes that it has taken the key out of its table again.
    if (table.has(key)) cache.set(key, true);
    if (i % 1000 === 0) {
      counts.samples++;
      counts.keys += table.size;
      counts.items += table.items;
    }
  }
  return {
    hits: counts.hits / counts.reads,
    pushes: counts.pushes / counts.reads,
    trackedKeys: counts.keys / counts.samples,
    trackedItems: counts.items / counts.samples,
  };
}

/** Which processes have read which keys. */
class Table {
  items = 0;
  #readers = new Map();
  #keys = [];
  #places = new Map();
  #max;
  #random;

  constructor(max, random) {
    this.#max = max;
    this.#random = random;
  }

  get size() {
    return this.#keys.length;
  }

  get isOver() {
    return this.size > this.#max;
  }

  has(key) {
    return this.#readers.has(key);
  }

  any() {
    return this.#keys[Math.floor(this.#random() * this.#keys.length)];
  }

  add(key, process) {
    let readers = this.#readers.get(key);
    if (!readers) {
      readers = new Set();
      this.#readers.set(key, readers);
      this.#places.set(key, this.#keys.push(key) - 1);
    }
    if (!readers.has(process)) this.items++;
    readers.add(process);
  }

  /** @returns the processes that had read it */
  remove(key) {
    const readers = this.#readers.get(key);
    if (!readers) return [];
    this.#readers.delete(key);
    this.items -= readers.size;
    const [place, last] = [this.#places.get(key), this.#keys.pop()];
    this.#places.delete(key);
    if (last !== key) {
      this.#keys[place] = last;
      this.#places.set(last, place);
    }
    return readers;
  }
}

/** Random numbers that are the same in each run (mulberry32). */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
