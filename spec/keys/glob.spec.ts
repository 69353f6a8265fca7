import { expect } from 'chai';
import fc from 'fast-check';
import { globMatcher, maxPatternLength } from '../../src/keys/glob.js';
import { sharedServer } from '../support/hooks.js';
import { openStore, rejection } from '../support/open.js';
import { type RawClient, rawClient } from '../support/wire.js';

/** How many patterns are compared with the server's own matching. */
const globs = Number(process.env['REDIS_TIER_GLOBS'] ?? 10_000);
const perRound = 500;
const mebi = 2 ** 20;

/** What is quick in milliseconds, however busy the machine is. A pattern that backtracks takes minutes. */
const quick = 2000;

describe('matching a glob', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer(), 9);
  });
  after(() => redis.destroy());

  it(`is what it is to Redis, for ${globs} patterns`, async function () {
    this.timeout(20_000 + globs * 2);
    const unit = fc.constantFrom('a', 'b', 'c', 'd', '-', ']', '[', '^', '\\', '*', '?', ':', ' ', '~');
    const piece = fc.constantFrom('*', '?', '[ab]', '[^a]', '[a-c]', '[c-a]', '[^', '[a-', '[]', '[\\]]', '\\*', '**', 'ab');
    const pattern = fc.array(fc.oneof(unit, piece), { maxLength: 12 }).map((parts) => parts.join(''));
    const texts = fc.uniqueArray(fc.string({ unit, minLength: 1, maxLength: 12 }), { minLength: 20, maxLength: 60 });
    const patterns = fc.array(pattern, { minLength: perRound, maxLength: perRound, size: 'max' });
    await fc.assert(
      fc.asyncProperty(texts, patterns, async (keys, list) => {
        await redis.flushDb();
        await redis.mSet(keys.flatMap((key) => [key, '1']));
        const replies = await Promise.all(list.map((each) => redis.scan('0', { MATCH: each, COUNT: 1000 })));
        for (const [i, each] of list.entries()) {
          expect(keys.filter(globMatcher(each)).sort(), each).to.deep.equal([...(replies[i]?.keys ?? [])].sort());
        }
      }),
      { numRuns: Math.ceil(globs / perRound), endOnFailure: true },
    );
  });

  it('is what a plain search says, also for long parts and any characters', () => {
    const unit = fc.constantFrom('a', 'b', 'ü', '\ud83d', '\ude42', '*', '?');
    const long = fc.string({ unit, maxLength: 150 });
    fc.assert(
      fc.property(long, fc.string({ unit, maxLength: 300 }), fc.boolean(), (middle, text, inside) => {
        const whole = inside ? `${text}${middle.replaceAll('*', '')}${text}` : text;
        const regexp = new RegExp(`^[^]*${middle.replace(/\*+/g, '[^]*').replaceAll('?', '[^]')}[^]*$`);
        expect(globMatcher(`*${middle}*`)(whole)).to.equal(regexp.test(whole));
      }),
      { numRuns: 500 },
    );
  });

  const a = 'a'.repeat(mebi);
  const manyCharacters = Array.from({ length: mebi }, (_, i) => String.fromCharCode(i % 60_000)).join('');
  const hostile: readonly (readonly [pattern: string, text: string])[] = [
    [`${'*a'.repeat(255)}*b`, a],
    [`*${'a'.repeat(500)}b*`, a],
    [`*b${'a'.repeat(500)}*`, a],
    [`${'*?'.repeat(250)}b`, a],
    [`*${'[a-z]'.repeat(100)}b*`, a],
    [`*${'?'.repeat(500)}\uffff*`, manyCharacters],
    [`*${'?a'.repeat(250)}b*`, a],
    [a, a.slice(1)],
  ];
  it('takes one pass over a text of a mebibyte, whatever the pattern', () => {
    for (const [pattern, text] of hostile) {
      const begun = process.cpuUsage();
      expect(globMatcher(pattern)(text)).to.equal(false);
      expect(process.cpuUsage(begun).user / 1000, pattern.slice(0, 20)).to.be.below(quick);
    }
  });

  it('is refused for a pattern that is too long, by every method that takes one', async () => {
    const long = 'x'.repeat(maxPatternLength + 1);
    for (const options of [{}, { location: 'memory:' }, { keyPrefix: 'a:b' }]) {
      const store = openStore(options);
      const first = () => store.iterate(long)[Symbol.asyncIterator]().next();
      for (const call of [() => store.keys(long), () => store.delPattern(long), first]) {
        expect((await rejection(call())).code).to.equal('ERR_ARGUMENT');
      }
      expect(await store.keys(long.slice(1))).to.deep.equal([]);
    }
  });

  it('lists keys of a mebibyte at once', async () => {
    for (const options of [{}, { location: 'memory:' }]) {
      const store = openStore({ timeout: 10_000, ...options });
      await store.set(a, 1);
      const begun = performance.now();
      expect(await store.keys('*a*a*a*a*a*a*a*b')).to.deep.equal([]);
      expect(await store.keys('*a*a*a*a*a*a*a*')).to.deep.equal([a]);
      expect(performance.now() - begun).to.be.below(2 * quick);
      await store.del(a);
    }
  });
});
