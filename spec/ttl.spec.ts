import { expect } from 'chai';
import fc from 'fast-check';
import { ArgumentError } from '../src/index.js';
import { redisTtl, ttlPolicy } from '../src/ttl.js';

const anyTtl = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(undefined, null, 0, -0, Number.POSITIVE_INFINITY, Number.MAX_VALUE, Number.MIN_VALUE),
);

describe('time to live', () => {
  it('is whole milliseconds ≥ 1 that Redis takes, never, or an error: nothing else', () =>
    fc.assert(
      fc.property(anyTtl, (ttl) => {
        const policy = ttlPolicy({});
        if (typeof ttl === 'number' && (Number.isNaN(ttl) || ttl < 0)) {
          expect(() => policy(ttl)).to.throw(ArgumentError);
          return;
        }
        const redisKey = policy(ttl);
        if (ttl === undefined || ttl === null || ttl === 0 || ttl > 2 ** 52) {
          expect(redisKey).to.equal(undefined);
          return;
        }
        expect(Number.isSafeInteger(redisKey)).to.equal(true);
        expect(redisKey as number).to.be.at.least(Math.max(1, ttl));
        expect((redisKey as number) - ttl).to.be.at.most(ttl < 1 ? 1 : 1 - Number.EPSILON);
        expect(String(redisKey)).to.match(/^\d+$/);
      }),
      { numRuns: 2000 },
    ));

  it('refuses what is no number', () => {
    for (const ttl of ['5', true, {}, [], new Date()])
      expect(() => redisTtl(ttl as never)).to.throw(ArgumentError, /^expected `ttl` to be a number/);
  });

  it('is the default where none is given, of the value where the default is a function', () => {
    const policy = ttlPolicy({ ttl: (value) => (value === 'short' ? 10 : undefined) });
    expect([policy(undefined, 'short'), policy(undefined, 'long'), policy(5, 'short'), policy(0, 'short')]).to.deep.equal([
      10,
      undefined,
      5,
      undefined,
    ]);
    expect(ttlPolicy({ ttl: 100 })(undefined)).to.equal(100);
    expect(ttlPolicy({ ttl: 0 })(undefined)).to.equal(undefined);
  });

  it('never exceeds the cap, and jitter only shortens, within its share', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (ttl, maxTtl, ttlJitter, random) => {
          const redisKey = ttlPolicy({ maxTtl, ttlJitter }, () => random)(ttl) as number;
          const capped = Math.min(ttl, maxTtl);
          expect(redisKey).to.be.within(Math.max(1, Math.floor(capped * (1 - ttlJitter))), capped);
          expect(ttlPolicy({ maxTtl })(null)).to.equal(maxTtl);
        },
      ),
    ));
});
