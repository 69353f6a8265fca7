import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { slotOf } from '../../src/connection/slots.js';
import { escapeGlob, globMatcher } from '../../src/keys/glob.js';
import { allVersions, keySpace } from '../../src/keys/keyspace.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { type RawClient, rawClient } from '../support/wire.js';

/** Strings made of what keys and patterns are made of, so that collisions would be found. */
const tricky = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', ':', '@', '#', '%', '3', 'A', '*', '?', '[', ']', '\\', '^', '-', 'ü', '{', '}') }),
  fc.string({ unit: 'binary' }),
);
const wellFormed = tricky.filter((text) => text.isWellFormed());
const space = fc.record({
  prefix: wellFormed.filter((prefix) => prefix !== ''),
  version: fc.option(
    wellFormed.filter((version) => version !== ''),
    { nil: undefined },
  ),
  separator: fc.constantFrom(':', '::', '/', '->', '::x'),
  hashLongKeys: fc.boolean(),
});
const wireBytes = (redisKey: string): string => Buffer.from(redisKey).toString('hex');

describe('key mapping', () => {
  it('is what the documentation says', () => {
    expect(keySpace({ prefix: 'cache' }).toRedisKey('user:1')).to.equal('cache:user:1');
    expect(keySpace({ prefix: 'cache', version: '2' }).toRedisKey('user:1')).to.equal('cache@2:user:1');
    expect(keySpace({ prefix: 'a:b@c#d%' }).toRedisKey('k')).to.equal('a%3Ab%40c%23d%25:k');
    expect(keySpace({ prefix: 'users', separator: '::' }).toRedisKey('k')).to.equal('users::k');
    expect(keySpace({ prefix: 'a:b', separator: '::' }).toRedisKey('k')).to.equal('a:b::k');
    expect(keySpace({ prefix: 'a:', separator: '::' }).toRedisKey('k')).to.equal('a%3A::k');
    expect(keySpace({ prefix: '' }).toRedisKey('k:1')).to.equal('k:1');
    expect(keySpace({ prefix: '{a}b' }).toRedisKey('k')).to.equal('{a}b:k');
    expect(keySpace({ prefix: 'a{' }).toRedisKey('k')).to.equal('a%7B:k');
    expect(keySpace({ prefix: 'a{}b{c}' }).toRedisKey('k')).to.equal('a%7B}b%7Bc}:k');
    expect(keySpace({ prefix: 'cache' }).toRedisKey('\ud800')).to.equal('cache#u:00d8');
    const long = keySpace({ prefix: 'cache', hashLongKeys: true }).toRedisKey('x'.repeat(1019));
    expect(long).to.match(/^cache#h:[\w-]{43}$/);
    expect(keySpace({ prefix: 'cache', hashLongKeys: true }).toRedisKey('x'.repeat(1018))).to.have.lengthOf(1024);
  });

  it('can be turned back, and every key is found by the scan', () =>
    fc.assert(
      fc.property(space, tricky, (shape, key) => {
        const keys = keySpace(shape);
        const redisKey = keys.toRedisKey(key);
        expect(keys.owns(redisKey)).to.equal(true);
        expect(keys.fromRedisKey(redisKey)).to.equal(key);
        expect(globMatcher(keys.scan().glob)(redisKey)).to.equal(true);
        expect(allVersions(shape.prefix).owns(redisKey) || shape.separator !== ':').to.equal(true);
      }),
      { numRuns: 2000 },
    ));

  it('puts a lease into the slot of its entry, or nowhere, and the keys of a lock into one slot', () =>
    fc.assert(
      fc.property(space, tricky, (shape, key) => {
        const keys = keySpace(shape);
        const redisKey = keys.toRedisKey(key);
        const [lease, lock, fence] = (['lease', 'lock', 'fence'] as const).map((kind) => keys.siblingKey?.(redisKey, kind as 'lease'));
        if (lease !== undefined) expect(slotOf(lease)).to.equal(slotOf(redisKey));
        expect(slotOf(lock as string)).to.equal(slotOf(fence as string));
      }),
      { numRuns: 2000 },
    ));

  it('gives no two of (prefix, version, key) one wire key, down to the bytes', () =>
    fc.assert(
      fc.property(space, tricky, space, tricky, (a, keyA, b, keyB) => {
        const other = { ...b, separator: a.separator };
        const same = a.prefix === b.prefix && a.version === b.version && keyA === keyB;
        const equal = wireBytes(keySpace(a).toRedisKey(keyA)) === wireBytes(keySpace(other).toRedisKey(keyB));
        if (a.hashLongKeys === b.hashLongKeys) expect(equal).to.equal(same);
        else if (equal) expect(same).to.equal(true);
      }),
      { numRuns: 5000 },
    ));

  it('never takes a key of another space for its own', () =>
    fc.assert(
      fc.property(space, space, tricky, (a, b, key) => {
        if (a.prefix === b.prefix && a.version === b.version) return;
        expect(keySpace(a).owns(keySpace({ ...b, separator: a.separator }).toRedisKey(key))).to.equal(false);
      }),
      { numRuns: 5000 },
    ));

  it('is one-to-one without a prefix too, and with digests', () =>
    fc.assert(
      fc.property(fc.constantFrom(':', '::', '/', '->'), fc.boolean(), tricky, tricky, (separator, hashLongKeys, a, b) => {
        const keys = keySpace({ prefix: '', separator, hashLongKeys });
        expect(wireBytes(keys.toRedisKey(a)) === wireBytes(keys.toRedisKey(b))).to.equal(a === b);
        expect(keys.fromRedisKey(keys.toRedisKey(a))).to.equal(a);
      }),
      { numRuns: 2000 },
    ));

  it('finds keys by a pattern, whatever characters of patterns the prefix holds', async () => {
    const store = openStore({ prefix: `a[b]*?\\^-${randomUUID()}` });
    await store.mset({ k1: 1, k2: 2, l: 3 });
    expect((await store.keys('k*')).sort()).to.deep.equal(['k1', 'k2']);
    expect(await store.delPattern('k*')).to.equal(2);
    expect(await store.keys()).to.deep.equal(['l']);
  });
});

describe('glob patterns', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer(), 9);
  });
  after(() => redis.destroy());

  it('match exactly the text that was escaped', () =>
    fc.assert(
      fc.asyncProperty(wellFormed, wellFormed, async (text, other) => {
        await redis.flushDb();
        await redis.mSet({ [text]: '1', [other]: '1', [`${text}x`]: '1', [`x${text}`]: '1' });
        const { keys } = await redis.scan('0', { MATCH: escapeGlob(text), COUNT: 100 });
        expect(keys).to.deep.equal([text]);
        expect(globMatcher(escapeGlob(text))(text)).to.equal(true);
        expect(globMatcher(escapeGlob(text))(other)).to.equal(text === other);
      }),
      { numRuns: 300 },
    ));

  it('mean in this process what they mean to Redis', () =>
    fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom('a', 'b', 'c', '*', '?', '[', ']', '^', '-', '\\', 'a-c', '[a-', '[^'), maxLength: 8 }),
        fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '-', ']', '[', '^', '\\'), minLength: 1, maxLength: 5 }), {
          minLength: 1,
        }),
        async (pattern, texts) => {
          await redis.flushDb();
          await redis.mSet(texts.flatMap((text) => [text, '1']));
          const { keys } = await redis.scan('0', { MATCH: pattern, COUNT: 1000 });
          const matches = globMatcher(pattern);
          expect(texts.filter((text) => matches(text)).sort(), pattern).to.deep.equal([...keys].sort());
        },
      ),
      { numRuns: 500 },
    ));
});
