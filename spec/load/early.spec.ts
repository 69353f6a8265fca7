import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Cache } from '../../src/cache/cache.js';
import { type FactoryContext, RedisStore } from '../../src/index.js';
import { dueEarly } from '../../src/load/load-options.js';
import { Loader } from '../../src/load/loader.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { onEachPlace } from '../support/places.js';

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

describe('renewal before the end (XFetch) of the entries of a store', function () {
  this.timeout(60_000);

  onEachPlace((place) => {
    it('comes when theory says, for 400 entries that are read every 40 ms (KS test, fixed seed)', async () => {
      const store = openStore({ ...place().options, timeout: 10_000 });
      const { flights } = RedisStore.partsOf(store);
      const { context } = cacheOf(store);
      const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
      const options = { ttl: 2500, refreshAhead: { beta: 2 } };
      /** The cost of an entry and its time left, as the load read them when it decided. */
      const told = new Map<string, { left: number; cost: number }>();
      const { commands } = context;
      const watched = {
        ...commands,
        async getWithTtl(redisKey: string) {
          const found = await commands.getWithTtl(redisKey);
          const cost = found.entry.found ? found.entry.cost : 0;
          // A refresh reads a second time.
          if (!told.has(redisKey)) told.set(redisKey, { left: found.left, cost });
          return found;
        },
      };
      const cache = new Cache({ ...context, commands: watched });
      const loader = new Loader(cache, flights, seeded(19_700_101));
      await Promise.all(keys.map((key) => loader.getOrSet(key, () => sleep(150, 'first'), options)));

      const made = new Set<string>();
      const make = ({ key }: FactoryContext): string => {
        made.add(key);
        return 'renewed';
      };
      const drawn = keys.map((key) => ({ key, reads: [] as { left: number; cost: number }[], renewed: false, over: false }));
      for (let open = drawn; open.length > 0; await sleep(40)) {
        told.clear();
        await Promise.all(open.map(({ key }) => loader.getOrSet(key, make, options)));
        await context.background.idle();
        for (const each of open) {
          const read = told.get(context.keys.toRedisKey(each.key));
          // What was over when it was read was not renewed early but made anew.
          each.over = !read || read.left <= 0;
          if (read && !each.over) each.reads.push(read);
          each.renewed = !each.over && made.has(each.key);
        }
        open = open.filter(({ over, renewed }) => !over && !renewed);
      }
      expect(drawn.filter(({ renewed }) => renewed).length).to.be.above(300);

      /**
       * A read with x left renews with probability e^(−x/(cost·beta)), so that none of the first k does with the product of the rest. Where
       * only certain values can come, a draw between this one's probability and the one before is even, if theory is right.
       */
      const draw = seeded(19_700_102);
      const evened = (beta: number): number[] =>
        drawn.map(({ reads, renewed }) => {
          let [before, none] = [1, 1];
          for (const { left, cost } of reads) [before, none] = [none, none * (1 - Math.exp(-left / (cost * beta)))];
          return renewed ? 1 - before + draw() * (before - none) : 1 - none * draw();
        });
      const even = (x: number): number => x;
      expect(distance(evened(2), even)).to.be.below(critical(keys.length));
      // The test can tell.
      for (const wrong of [1.4, 2.8]) expect(distance(evened(wrong), even)).to.be.above(critical(keys.length));
    });
  });
});
