// Popularity by Zipf's law: the key of rank r is read in proportion to 1 / r^exponent.

/** Coprime with the sizes used: neighbours in popularity are none by name. */
const scattering = 7919;

/** Picks whole numbers below `size` at random, so distributed. */
export function zipf(size, exponent, random = Math.random) {
  const sums = new Float64Array(size);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    sum += (i + 1) ** -exponent;
    sums[i] = sum;
  }
  return () => {
    const at = random() * sum;
    let [low, high] = [0, size - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < at) low = middle + 1;
      else high = middle;
    }
    return (low * scattering) % size;
  };
}

/** The same as groups of keys that are read about as often: how many keys, and the share of all reads that each of them has. */
export function popularity(size, exponent) {
  const groups = [];
  for (let first = 1; first <= size; ) {
    // The first hundred are alone, later groups are a twentieth of their rank.
    const last = Math.min(size, first < 100 ? first : Math.floor(first * 1.05));
    groups.push({ keys: last - first + 1, share: Math.sqrt(first * last) ** -exponent });
    first = last + 1;
  }
  const all = groups.reduce((sum, { keys, share }) => sum + keys * share, 0);
  return groups.map(({ keys, share }) => ({ keys, share: share / all }));
}
