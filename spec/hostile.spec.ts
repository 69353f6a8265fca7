import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import * as keyv5 from 'keyv';
import * as keyv4 from 'keyv4';
import * as keyv6 from 'keyv6';
import { type StoreOptions, v8Serializer } from '../src/index.js';
import { createKeyvOf } from '../src/keyv/create-keyv.js';
import { KeyvRedisStore } from '../src/keyv.js';
import { sharedServer } from './support/hooks.js';
import { cacheOf } from './support/internals.js';
import { closing, openStore } from './support/open.js';
import { secrets } from './support/settings.js';
import { type RawClient, rawClient } from './support/wire.js';

const keys = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  'line\r\nDEL everything\r\n',
  'nul\0nul',
  '\0',
  '\ud800',
  '\udc00 lone',
  '\ufffd',
  '\ufffe\uffff',
  '*',
  '[^a]?\\',
  '../../etc/passwd',
  'ключ 🔑',
  'x'.repeat(2 ** 20),
];
const encryption = { keys: [{ id: '__proto__', key: secrets.k1 }] };
const modes: Record<string, StoreOptions> = { plain: {}, encrypted: { encryption }, 'our own parser': { parser: 'auto' } };

/** A key in a message: not a mebibyte of it. */
const short = (key: string): string => JSON.stringify(key.slice(0, 40));

describe('hostile keys', () => {
  for (const [mode, options] of Object.entries(modes)) {
    for (const [engine, where] of Object.entries({ Redis: {}, 'memory:': { location: 'memory:' } })) {
      if (engine === 'memory:' && 'parser' in options) continue;
      it(`are keys like any other: a store, ${mode}, on ${engine}`, async () => {
        const store = openStore({ ...options, ...where });
        await store.set('bystander', 'untouched');
        for (const [i, key] of keys.entries()) await store.set(key, { i });
        for (const [i, key] of keys.entries()) expect(await store.get(key), short(key)).to.deep.equal({ i });
        expect(await store.mget(...keys)).to.deep.equal(keys.map((_, i) => ({ i })));
        expect(await cacheOf(store).reader.hasMany(keys)).to.deep.equal(keys.map(() => true));
        expect(new Set(await store.keys())).to.deep.equal(new Set([...keys, 'bystander']));
        for (const key of keys) {
          await store.del(key);
          expect(await store.has(key), short(key)).to.equal(false);
        }
        await store.mset(keys.map((key) => [key, key.length] as const));
        expect(await store.getAndDelete('__proto__')).to.equal(9);
        await store.mdel(...keys);
        expect(await store.keys()).to.deep.equal(['bystander']);
        expect(store.errors).to.deep.equal([]);
        await store.reset();
      });
    }

    for (const [version, keyv] of Object.entries({ 4: keyv4, 5: keyv5, 6: keyv6 })) {
      it(`are keys like any other: Keyv ${version}, ${mode}`, async () => {
        const errors: unknown[] = [];
        const made = createKeyvOf(keyv as never, { location: sharedServer().location, namespace: randomUUID(), ...options });
        const cache = closing(made as keyv5.Keyv & { iterator(): AsyncGenerator<[string, unknown]> });
        cache.on('error', (error: unknown) => errors.push(error));
        // Keyv 6 takes an empty key for none at all.
        const taken = version === '6' ? keys.filter((key) => key !== '') : keys;
        await cache.set('bystander', 'untouched');
        for (const [i, key] of taken.entries()) await cache.set(key, { i });
        for (const [i, key] of taken.entries()) expect(await cache.get(key), short(key)).to.deep.equal({ i });
        const found = new Set<string>();
        for await (const [key] of cache.iterator()) found.add(key);
        expect(found).to.deep.equal(new Set([...taken, 'bystander']));
        for (const key of taken) expect(await cache.delete(key), short(key)).to.equal(true);
        for (const key of taken) expect(await cache.has(key), short(key)).to.equal(false);
        expect(await cache.get('bystander')).to.equal('untouched');
        await cache.clear();
        expect(errors).to.deep.equal([]);
      });
    }
  }
});

describe('prototype keys', () => {
  const clean = (): void => {
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
  };

  for (const [mode, options] of Object.entries({ ...modes, v8: { serializer: v8Serializer } })) {
    it(`are inert in values and in the records of mset, ${mode}`, async () => {
      const store = openStore(options);
      const value = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 2}}, "list": [{"__proto__": 3}]}');
      await store.set('k', value);
      const back = (await store.get('k')) as object;
      expect(JSON.stringify(back)).to.equal(JSON.stringify(value));
      expect(Object.getPrototypeOf(back)).to.equal(Object.prototype);
      await store.mset(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}'));
      expect(JSON.stringify(await store.mget('__proto__', 'constructor'))).to.equal('[{"polluted":1},2]');
      expect((await store.keys()).sort()).to.deep.equal(['__proto__', 'constructor', 'k']);
      clean();
      await store.reset();
    });
  }

  it('are no options, no serializers and no compressions', () => {
    for (const options of ['{"__proto__": {"prefix": "x"}}', '{"constructor": 1}', '{"toString": 1}']) {
      expect(() => openStore(JSON.parse(options))).to.throw(/^unknown option/);
    }
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(() => openStore({ compression: name as never })).to.throw(/^expected `compression`/);
    }
  });
});

describe('hostile bytes', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  const name = fc.constantFrom(
    'json',
    'keyv',
    'v8',
    'bytes',
    'text',
    'utf16',
    'gzip',
    'brotli',
    'aes256gcm:k1',
    'aes256gcm:',
    '__proto__',
    'constructor',
    '',
  );
  const header = fc
    .tuple(fc.constantFrom(0xc0, 0xc1), fc.array(name, { minLength: 1, maxLength: 3 }))
    .map(([marker, names]) => Buffer.concat([Buffer.from([marker]), Buffer.from(names.join('+')), Buffer.alloc(1)]));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)),
    fc.tuple(header, fc.uint8Array({ maxLength: 100 })).map(([head, rest]) => Buffer.concat([head, rest])),
    fc.tuple(header, fc.json()).map(([head, rest]) => Buffer.concat([head, Buffer.from(rest)])),
    fc.json().map((text) => Buffer.from(text)),
  );

  it('are a miss to every face with encryption, whatever they are, and never an exception or another value', async () => {
    const own = { keys: [{ id: 'k1', key: secrets.k1 }] };
    const prefix = randomUUID();
    const location = sharedServer().location;
    const store = openStore({ prefix, encryption: own });
    const v5 = closing(new KeyvRedisStore({ location, namespace: prefix, encryption: own }));
    const v6 = closing(new KeyvRedisStore({ location, namespace: prefix, encryption: own }));
    let told = 0;
    v5.on('error', () => told++);
    v6.on('error', () => told++);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(bytes, async (stored) => {
        runs++;
        await Promise.all([redis.set(`${prefix}:k`, stored), redis.set(`${prefix}::k`, stored)]);
        const values = await Promise.all([store.get('k'), store.mget('k'), v5.get('k'), v6.getMany(['k'])]);
        expect(values).to.deep.equal([undefined, [undefined], undefined, [undefined]]);
      }),
      { numRuns: 400 },
    );
    expect([store.errors.length, told]).to.deep.equal([2 * runs, 2 * runs]);
    expect(store.errors.filter(({ code }) => code !== 'ERR_CODEC' && code !== 'ERR_TAMPERED')).to.deep.equal([]);
    await store.reset();
    await v5.clear();
    clean();
  });

  function clean(): void {
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
  }
});
