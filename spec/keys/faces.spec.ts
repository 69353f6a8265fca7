import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { allVersions, type KeySpace, keySpace } from '../../src/keys/keyspace.js';
import { createKeyv } from '../../src/keyv.js';
import { anyLayout } from '../support/acl.js';
import { compiled } from '../support/compiled.js';
import { closing, openStore, rejection } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { amount } from '../support/whole.js';
import { onOwnServer, type RawClient } from '../support/wire.js';

const numRuns = amount({ some: 1000, all: 10_000 });

const piece = fc.constantFrom(
  'a',
  'b',
  ':',
  '::',
  '@',
  '@1',
  '#',
  '##',
  '#c:',
  '#t:',
  '#h:',
  '#l:',
  '#u:00',
  '%',
  '%3A',
  '{a}',
  '}',
  '\ud800',
);
const text = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
const name = text.filter((each) => each !== '' && each.isWellFormed());
const version = fc.option(fc.constantFrom('1', ':', '#', '1:a'), { nil: undefined });

interface Face {
  readonly title: string;
  readonly keys: KeySpace;
}

const store = fc.record({ name, version }).map((of): Face => {
  return { title: `store ${JSON.stringify(of)}`, keys: keySpace({ prefix: of.name, version: of.version }) };
});
/** A name with a colon is written as @keyv/redis writes it, which docs/keys.md describes. */
const isApart = (each: string): boolean => !each.includes(':') || each.includes('::') || each.endsWith(':');
const namespace = fc.record({ name: name.filter(isApart), version }).map((of): Face => {
  return { title: `namespace ${JSON.stringify(of)}`, keys: keySpace({ prefix: of.name, version: of.version, separator: '::' }) };
});
const anySeparator = fc.record({ name, separator: fc.constantFrom('::', '/', '->', 't', 't:') }).map((of): Face => {
  return { title: `separator ${JSON.stringify(of)}`, keys: keySpace({ prefix: of.name, separator: of.separator }) };
});

/** Every key in Redis that a face makes for this text. */
function madeBy({ keys }: Face, key: string): string[] {
  const entry = keys.toRedisKey(key);
  const siblings = (['lease', 'lock', 'fence'] as const).map((kind) => keys.siblingKey?.(entry, kind as 'lock'));
  const tag = key.isWellFormed() ? [keys.tags?.toRedisKey(key)] : [];
  return [entry, ...siblings, ...tag].filter((each) => each !== undefined);
}

/** Fails if one face owns, lists or finds what the other has made. */
function expectApart(a: Face, b: Face, key: string): void {
  for (const redisKey of madeBy(b, key)) {
    const what = `${a.title} and ${redisKey} of ${b.title}`;
    expect(a.keys.owns(redisKey), what).to.equal(false);
    expect(a.keys.fromRedisKey(redisKey), what).to.equal(undefined);
    expect(a.keys.isInternalKey?.(redisKey), what).to.equal(false);
  }
}

describe('the faces of one database', () => {
  it('own no key of each other: stores and Keyv namespaces, of the same name too', () => {
    fc.assert(
      fc.property(store, namespace, text, text, (a, b, keyA, keyB) => {
        expectApart(a, b, keyB);
        expectApart(b, a, keyA);
      }),
      { numRuns },
    );
  });

  it('own no key of each other, of the same name for sure', () => {
    fc.assert(
      fc.property(name.filter(isApart), version, text, (prefix, ofVersion, key) => {
        const a = { title: 'store', keys: keySpace({ prefix, version: ofVersion }) };
        const b = { title: 'namespace', keys: keySpace({ prefix, version: ofVersion, separator: '::' }) };
        expectApart(a, b, key);
        expectApart(b, a, key);
        for (const redisKey of madeBy(b, key)) expect(allVersions(prefix).owns(redisKey), redisKey).to.equal(false);
        const [entry] = madeBy(a, key);
        expect(allVersions(prefix).owns(entry as string), entry).to.equal(true);
        expect([a.keys.fromRedisKey(a.keys.toRedisKey(key)), b.keys.fromRedisKey(b.keys.toRedisKey(key))]).to.deep.equal([key, key]);
      }),
      { numRuns },
    );
  });

  it('share no tag, lease or lock with a face of another separator', () => {
    fc.assert(
      fc.property(anySeparator, anySeparator, text, text, (a, b, keyA, keyB) => {
        if (a.title === b.title) return;
        const [, ...internalA] = madeBy(a, keyA);
        const [, ...internalB] = madeBy(b, keyB);
        expect(internalA.filter((key) => internalB.includes(key))).to.deep.equal([]);
      }),
      { numRuns },
    );
  });

  it('write ordinary keys as other libraries do', () => {
    for (const key of ['user:1', 'a', '{a}:b', 'a::b', '#1', '@1', '']) {
      expect(keySpace({ prefix: 'cache' }).toRedisKey(key)).to.equal(`cache:${key}`);
      expect(keySpace({ prefix: 'ns', separator: '::' }).toRedisKey(key)).to.equal(`ns::${key}`);
    }
    expect(keySpace({ prefix: 'cache' }).toRedisKey(':1')).to.equal('cache#c::1');
  });

  it('warn once where other libraries write names that overlap', async () => {
    const program = `
      const { createKeyv } = require('${compiled('src/keyv.ts')}');
      process.on('warning', ({ code }) => code?.startsWith('REDIS_TIER') && console.log(code));
      (async () => {
        for (const namespace of JSON.parse(process.argv[1])) {
          await createKeyv('memory:', { namespace }).set('k', 1);
        }
      })();`;
    const warned = async (namespaces: readonly string[]): Promise<string> => {
      const args = ['--eval', program, JSON.stringify(namespaces)];
      return (await promisify(execFile)(process.execPath, args)).stdout.trim();
    };
    expect(await warned(['a', 'b', 'a::b', 'a:'])).to.equal('');
    expect(await warned(['a:b', 'a:c'])).to.equal('REDIS_TIER_NAMESPACE');
  });

  describe('on a server', () => {
    let server: RedisServer;
    let redis: RawClient;
    onOwnServer((started, client) => {
      server = started;
      redis = client;
    }, anyLayout());

    it('are not reached by clear, delPattern and keys of each other', async () => {
      const same = randomUUID();
      const one = openStore({ location: server.location, prefix: same, tags: true });
      const keyv = closing(createKeyv({ location: server.location, namespace: same, lazyClear: true }));
      await keyv.set('b', 'of Keyv');
      await one.set(':b', 'of the store', { tags: ['t'] });
      expect([await keyv.get('b'), await one.get(':b')]).to.deep.equal(['of Keyv', 'of the store']);
      expect(await one.keys()).to.deep.equal([':b']);
      for (const pattern of ['*', ':*', '?b', '[:]*']) await one.delPattern(pattern);
      await one.clear();
      await one.clear({ allVersions: true });
      expect(await keyv.get('b')).to.equal('of Keyv');
      await one.set('b', 1, { tags: ['t'] });
      await one.set(':b', 1);
      await keyv.clear();
      expect(await one.mget('b', ':b')).to.deep.equal([1, 1]);
      expect(await keyv.get('b')).to.equal(undefined);
    });

    it('delete keys of the whole database only if an option says so', async () => {
      // Without what the spec before left under a random prefix.
      await redis.flushDb();
      await redis.set('foreign', '1');
      const tenant = { id: '' };
      const one = openStore({ location: server.location, prefix: tenant.id, version: undefined });
      await one.set('k', 1);
      const lazy = openStore({ location: server.location, prefix: '', lazyClear: true });
      const calls = [
        () => one.clear(),
        () => one.reset(),
        () => one.delPattern('*'),
        () => one.clear({ allVersions: true }),
        () => one.sweep(),
        () => one.reencode().next(),
        () => lazy.clear({ lazy: true }),
      ];
      for (const call of calls) {
        const failure = await rejection(call());
        expect(failure.code).to.equal('ERR_UNSUPPORTED');
        expect(failure.message).to.include('wholeDatabase');
      }
      expect(
        (await rejection(openStore({ location: server.location, prefix: '', version: 1 }).clear({ allVersions: true }))).code,
      ).to.equal('ERR_UNSUPPORTED');
      await openStore({ location: server.location, prefix: '', version: 1 }).clear();
      const keyv = closing(createKeyv({ location: server.location, prefix: '' }));
      const errors: unknown[] = [];
      keyv.on('error', (error) => errors.push(error));
      await keyv.clear();
      expect(errors).to.have.length.above(0);
      expect(await redis.exists(['foreign', 'k'])).to.equal(2);
      const whole = openStore({ location: server.location, prefix: '', wholeDatabase: true });
      expect(await whole.delPattern('f*')).to.equal(1);
      await whole.clear();
      expect(await redis.dbSize()).to.equal(0);
      await openStore({ location: 'memory:', prefix: '' }).clear();
    });
  });
});
