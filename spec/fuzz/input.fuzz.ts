import { inspect } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { ArgumentError, OptionError, redisStore } from '../../src/index.js';
import { escapeGlob } from '../../src/keys/glob.js';
import { keySpace } from '../../src/keys/keyspace.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { fuzz } from './harness.js';

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('', ':', '::', '@1:', '#l:{x}', '\ud800', '*', '['));
const mark = 'S3CRET';
/** Control, escape and bidirectional characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be shown
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

function refused(error: unknown): void {
  expect(error).to.satisfy((each: unknown) => each instanceof OptionError || each instanceof ArgumentError);
  const shown = inspect(error, { depth: 5 }).split('\n    at ')[0] as string;
  expect(shown).not.to.include(mark);
  expect((error as Error).message).not.to.match(control);
}

describe('fuzz: input', () => {
  const shape = fc.record({
    prefix: text.filter((prefix) => prefix.isWellFormed()),
    version: fc.option(
      text.filter((version) => version !== '' && version.isWellFormed()),
      { nil: undefined },
    ),
    separator: fc.constantFrom(':', '::', '|'),
    hashLongKeys: fc.boolean(),
  });

  fuzz('keys are one to one, and found by a scan for them', fc.tuple(shape, text, text), ([how, one, other]) => {
    const space = keySpace(how);
    const redisKey = space.toRedisKey(one);
    expect(space.owns(redisKey)).to.equal(true);
    if (one !== other) expect(space.toRedisKey(other)).not.to.equal(redisKey);
    expect([one, undefined]).to.include(space.fromRedisKey(redisKey));
    // Of any other key, whatever it holds, the answer is a text or none.
    expect([space.fromRedisKey(other)].every((key) => key === undefined || typeof key === 'string')).to.equal(true);
    expect(typeof escapeGlob(one)).to.equal('string');
  });

  const host = fc.constantFrom(
    'h',
    'h:6379',
    '127.0.0.1:1',
    '[::1]:6',
    'a.b',
    '',
    'h:99999',
    `${mark}@h`,
    `:${mark}@h`,
    `u:${mark}@h:6379`,
  );
  const location = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('redis://', 'rediss://', 'unix://', '', 'https://', 'redis:/', '//', '/'),
        host,
        fc.constantFrom('', '/0', '/x', `?password=${mark}`, `#${mark}`, '?tls=true', `,password=${mark},ssl=True`, '\u001b[2J', '\u202e'),
      )
      .map((parts) => parts.join('')),
    text,
  );

  fuzz('locations are places or errors that show nothing secret', location, async (place) => {
    let store: ReturnType<typeof redisStore>;
    try {
      store = redisStore({ location: place });
    } catch (error) {
      return refused(error);
    }
    expect(inspect(store)).not.to.include(mark);
    await store.disconnect();
  });

  /** A secret where it does not belong, one level down. */
  const misplaced = [
    ...['url', 'host', 'tls', 'name', 'id', 'class', 'algorithm', 'keys', 'max', 'threshold', 'minVersion'].map((name) => ({
      [name]: mark,
    })),
    ...[`redis://:${mark}@h:x`, `redis://h?password=${mark}`, mark].flatMap((url) => [[url], { rootNodes: [{ url }] }, { host: url }]),
    { rootNodes: [{ url: 'redis://h' }], default: { password: mark } },
    { name: 'm', sentinelRootNodes: [{ host: `redis://:${mark}@h`, port: 1 }] },
  ];
  const value = fc.oneof(
    fc.constantFrom(undefined, null, true, false, 0, -1, 1, 0.5, Number.NaN, 2 ** 53, '', 'x', mark, [], {}, () => 1),
    fc.anything({ maxDepth: 1 }),
    fc.constantFrom(...misplaced),
  );
  const names = [
    ...['prefix', 'ttl', 'timeout', 'maxPending', 'tags', 'near', 'batch', 'breaker', 'onFailure', 'serializer', 'compression'],
    ...['encryption', 'maxDecompressedSize', 'version', 'keyFunction', 'keyPrefix', 'hashLongKeys', 'lazyClear', 'invalidations'],
    ...['cluster', 'sentinel', 'pool', 'parser', 'socket', 'username', 'password', 'database', 'RESP', 'name', 'client', 'isCacheable'],
  ];
  const options = fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: text }), value, {
    maxKeys: 3,
  });

  fuzz('options make a store or an OptionError', options, async (given) => {
    for (const make of [() => redisStore(given as never), () => new KeyvRedisStore(given as never)]) {
      try {
        await make().disconnect();
      } catch (error) {
        refused(error);
      }
    }
  });
});
