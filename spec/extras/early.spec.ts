import { expect } from 'chai';
import { dueEarly } from '../../src/extras/early.js';

/** A small generator with a seed, so that a failure can be seen again (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Kolmogorov and Smirnov: the largest distance between what was seen and the distribution it should have. */
function distance(samples: readonly number[], cdf: (x: number) => number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return Math.max(...sorted.map((x, i) => Math.max((i + 1) / sorted.length - cdf(x), cdf(x) - i / sorted.length)));
}

/** Beyond this only one in a thousand sets of so many samples comes out. */
const critical = (samples: number): number => 1.95 / Math.sqrt(samples);

describe('renewal before the end (XFetch)', () => {
  const cost = 200;
  const ttl = 10_000;

  /** How long before its end an entry is renewed that is read at random, `rate` times a millisecond. 0: not at all. */
  function leadOf(random: () => number, rate: number, beta: number): number {
    for (let left = ttl; ; ) {
      left += Math.log(1 - random()) / rate;
      if (left <= 0) return 0;
      if (dueEarly(left, cost, beta, random())) return left;
    }
  }

  for (const [rate, beta] of [
    [0.05, 1],
    [0.5, 1],
    [0.05, 3],
  ] as const) {
    it(`comes when theory says, for ${rate} reads a millisecond and beta ${beta} (KS test, fixed seed)`, () => {
      const random = seeded(20_240_611);
      const leads = Array.from({ length: 4000 }, () => leadOf(random, rate, beta));
      // A read with x left renews with probability e^(−x/scale); reads are Poisson, so nothing renews while more than x is left with
      // probability exp(−rate ∫ e^(−t/scale) dt from x to ttl).
      const scale = cost * beta;
      const cdf = (x: number): number => Math.exp(-rate * scale * (Math.exp(-x / scale) - Math.exp(-ttl / scale)));
      expect(distance(leads, cdf)).to.be.below(critical(leads.length));
      // The test can tell: half the cost is another distribution.
      const wrong = (x: number): number => Math.exp(-rate * (scale / 2) * Math.exp(-x / (scale / 2)));
      expect(distance(leads, wrong)).to.be.above(critical(leads.length));
    });
  }

  it('never comes where making the value costs nothing, and always where nothing is left', () => {
    const random = seeded(7);
    for (let i = 0; i < 1000; i++) {
      expect(dueEarly(1, 0, 1, random())).to.equal(false);
      expect(dueEarly(0, 5, 1, random())).to.equal(true);
    }
    expect(dueEarly(1000, 1, 1, 0)).to.equal(true);
  });
});
