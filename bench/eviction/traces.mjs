// Requests in the order in which a cache sees them, as numbers of keys. The seed determines them.

/** How many keys there are, not counting those that only a scan reads. */
export const keys = 100_000;
export const requests = 1_000_000;
/** Requests that fill the cache: their hits do not count. */
export const warmup = requests / 5;

/** Traces by name: each takes the size of the cache, which matters to the loop only, and a seed. */
export const traces = {
  'Zipf 0.9': (_size, seed) => zipf(0.9, seed),
  'Zipf 1.0': (_size, seed) => zipf(1, seed),
  'Zipf 0.9, scans': (_size, seed) => withScans(zipf(0.9, seed)),
  'Zipf 1.0, scans': (_size, seed) => withScans(zipf(1, seed)),
  'Zipf 0.9, drift': (_size, seed) => zipf(0.9, seed, 100),
  'Zipf 1.0, drift': (_size, seed) => zipf(1, seed, 100),
  'Zipf 0.9, a tenth invalidated': (_size, seed) => zipf(0.9, seed),
  'Zipf 1.0, a tenth invalidated': (_size, seed) => zipf(1, seed),
  'loop of 1.2 times the cache': (size) => loop(1.2 * size),
  'loop of 0.8 times the cache, after Zipf': (size, seed) => after(zipf(0.9, seed, undefined, { length: warmup }), loop(0.8 * size)),
};

/** In these traces each tenth request, which is none then, invalidates the entry. */
export const invalidates = (trace, i) => trace.endsWith('invalidated') && i % 10 === 9;

/** Numbers in [0, 1): mulberry32. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws ranks from 0, each with a frequency of `(rank + 1) ** -exponent`. */
export function ranks(count, exponent, next) {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) sums[rank] = sum += (rank + 1) ** -exponent;
  return () => {
    const drawn = next() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle] > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/**
 * Zipf's law. `drift`: after so many requests a popular key, drawn as requests are, changes places with any key. Each key, however popular,
 * then keeps its place for that many requests of its own, on average.
 */
export function zipf(exponent, seed, drift = Number.POSITIVE_INFINITY, { count = keys, length = requests } = {}) {
  const next = random(seed);
  const draw = ranks(count, exponent, next);
  const byRank = Uint32Array.from({ length: count }, (_, key) => key);
  const swap = (one, other) => {
    [byRank[one], byRank[other]] = [byRank[other], byRank[one]];
  };
  for (let rank = count - 1; rank > 0; rank--) swap(rank, Math.floor(next() * (rank + 1)));
  return Uint32Array.from({ length }, (_, i) => {
    if ((i + 1) % drift === 0) swap(draw(), Math.floor(next() * count));
    return byRank[draw()];
  });
}

/** After each 40 000 requests a job reads 10 000 keys that nothing else reads, in turn with the next 10 000 requests. The eleventh job begins again. */
function withScans(popular) {
  const mixed = [];
  let cold = 0;
  for (let i = 0; mixed.length < requests; i++) {
    mixed.push(popular[i]);
    if (i % 50_000 >= 40_000) mixed.push(keys + (cold++ % keys));
  }
  return Uint32Array.from(mixed.slice(0, requests));
}

/** The keys in turn, again and again. */
function loop(count) {
  return Uint32Array.from({ length: requests }, (_, i) => i % Math.round(count));
}

/** Other requests come first, of other keys. */
function after(first, second) {
  const cold = second.subarray(first.length).map((key) => keys + key);
  return Uint32Array.from({ length: requests }, (_, i) => (i < first.length ? first[i] : cold[i - first.length]));
}
