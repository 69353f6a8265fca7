import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import v8 from 'node:v8';
import { caching } from 'cache-manager5';
import { expect } from 'chai';
import { jsonSerializer, type redisStore, type StoreOptions, v8Serializer } from '../src/index.js';
import { createKeyv } from '../src/keyv.js';
import { sharedServer } from './support/hooks.js';
import { closing, openStore, rejection } from './support/open.js';
import { type RawClient, rawClient } from './support/wire.js';

class Money {
  constructor(readonly cents: number) {}
  plus(): number {
    return this.cents + 1;
  }
}

describe('values', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  const refused: Record<string, () => unknown> = {
    'a Promise': () => Promise.resolve({ id: 1 }),
    // biome-ignore lint/suspicious/noThenProperty: a query builder is a promise too
    'a thenable': () => ({ then: () => {} }),
    'a Map': () => new Map([['a', 1]]),
    'a Set': () => new Set([1]),
    'an ArrayBuffer': () => new Uint8Array([1]).buffer,
    'an Error': () => new Error('boom'),
    'a RegExp': () => /x/g,
    'a stream': () => Readable.from(['a']),
    'a Response': () => new Response('hi'),
    Headers: () => new Headers({ a: 'b' }),
    'a Blob': () => new Blob(['x']),
    'a function': () => () => 1,
    'a symbol': () => Symbol('x'),
    'a BigInt': () => 1n,
  };
  const stores: Record<string, StoreOptions> = {
    'the default serializer': {},
    'the default serializer, compressing': { compression: { algorithm: 'gzip', threshold: 0 } },
    'the json serializer': { serializer: jsonSerializer },
    'memory:': { location: 'memory:' },
  };
  for (const [title, options] of Object.entries(stores)) {
    it(`that JSON would turn into something else are refused by name, and the entry before is gone: ${title}`, async () => {
      const store = openStore(options);
      for (const [name, make] of Object.entries(refused)) {
        for (const call of [(value: unknown) => store.set('k', value), (value: unknown) => store.mset([['k', value]])]) {
          store.errors.length = 0;
          await store.set('k', 'old');
          await call(make());
          expect(
            store.errors.map(({ code, key }) => `${code} ${key}`),
            name,
          ).to.deep.equal(['ERR_CODEC k']);
          expect(await store.get('k'), name).to.equal(undefined);
        }
      }
      expect(store.errors[0]?.message).to.match(/cannot be (stored as JSON|encoded)/);
    });
  }

  it('are looked into at any depth by the default serializer', async () => {
    const store = openStore();
    for (const make of Object.values(refused).filter((each) => !['function', 'symbol'].includes(typeof each()))) {
      await store.set('k', [{ deep: { in: [make()] } }]);
      expect(await store.get('k')).to.equal(undefined);
    }
    expect(new Set(store.errors.map(({ code }) => code))).to.deep.equal(new Set(['ERR_CODEC']));
  });

  it('come back by JSON’s own conversions, and bytes in any view as a Buffer', async () => {
    const store = openStore();
    const floats = new Float32Array([1.5]);
    const view = new DataView(new ArrayBuffer(4), 1, 2);
    const values: [unknown, unknown][] = [
      [new Date(0), '1970-01-01T00:00:00.000Z'],
      [new Money(1), { cents: 1 }],
      [new URL('http://a/'), 'http://a/'],
      [{ a: undefined, b: 1 }, { b: 1 }],
      [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
      [new Uint8Array([1, 2, 3]), Buffer.from([1, 2, 3])],
      [floats, Buffer.from(floats.buffer)],
      [view, Buffer.from([0, 0])],
      [
        { body: new Uint8Array([1, 2]), more: [view] },
        { body: Buffer.from([1, 2]), more: [Buffer.from([0, 0])] },
      ],
      [Buffer.from([0xff, 0, 0xfe]), Buffer.from([0xff, 0, 0xfe])],
    ];
    for (const [value, back] of values) {
      await store.set('k', value);
      expect(await store.get('k')).to.deep.equal(back);
    }
    expect(store.errors).to.deep.equal([]);
    // A serializer that knows more keeps more.
    const v8 = openStore({ serializer: v8Serializer });
    await v8.set('k', new Map([['a', floats]]));
    expect(await v8.get('k')).to.deep.equal(new Map([['a', floats]]));
  });

  it('that structured clone would lose are refused by name, and nothing of them is told', async () => {
    const store = openStore({ serializer: v8Serializer });
    const secret = (): string => 'hunter2';
    for (const value of [new URL('http://hunter2/'), new Response('hunter2'), Promise.resolve(1), secret, { deep: secret }]) {
      await store.set('k', 'old');
      await store.set('k', value);
      expect(await store.get('k')).to.equal(undefined);
    }
    expect(store.errors.map(({ message }) => message)).to.deep.equal([
      'a URL cannot be stored by structured clone',
      'a Response cannot be stored by structured clone',
      'a Promise (await it first) cannot be stored by structured clone',
      'the value cannot be encoded: a part of it cannot be cloned',
      'the value cannot be encoded: a part of it cannot be cloned',
    ]);
    expect(inspect(store.errors, { depth: 5 })).not.to.include('hunter2');
  });

  it('of `undefined` and those that isCacheable refuses take the entry with them that they were to replace', async () => {
    const store = openStore({ isCacheable: (value) => value !== null });
    for (const value of [undefined, null]) {
      await store.mset({ k: 'old', l: 'old', m: 'old' });
      await store.set('k', value);
      await store.mset({ l: value, m: 'new' });
      expect(await store.mget('k', 'l', 'm')).to.deep.equal([undefined, undefined, 'new']);
      await store.set('n', 'old');
      expect(await store.add('n', value)).to.equal(false);
      expect(await store.get('n')).to.equal('old');
    }
    expect(store.errors).to.deep.equal([]);
  });

  it('are gone where one of many is refused, and the others are stored, also where failures are thrown', async () => {
    const store = openStore({ onFailure: 'throw' });
    await store.mset({ k: 'old', l: 'old', m: 'old' });
    const failure = await rejection(store.mset({ k: new Map(), l: 'new', m: 1n }));
    expect(failure).to.include({ code: 'ERR_CODEC', key: 'k' });
    expect(store.errors.map(({ key }) => key)).to.have.members(['k', 'm']);
    expect(await store.mget('k', 'l', 'm')).to.deep.equal([undefined, 'new', undefined]);
    expect(await rejection(store.mset([['l', 'newer', -1] as never, ['k', 1]], -1))).to.include({ code: 'ERR_ARGUMENT' });
    expect(await store.mget('k', 'l')).to.deep.equal([undefined, 'new']);
  });

  it('are the business of a serializer of one’s own, also of one that is Keyv’s', async () => {
    const value = new Map([['a', new Uint8Array([1])]]);
    const serialize = (data: unknown): string => v8.serialize(data).toString('base64');
    const deserialize = (text: string): unknown => v8.deserialize(Buffer.from(text, 'base64'));
    const keyv = closing(createKeyv(sharedServer().location, { namespace: randomUUID(), serialize, deserialize }));
    expect(await keyv.set('k', value)).to.equal(true);
    expect(await keyv.get('k')).to.deep.equal(value);
  });

  it('are stored as they were when the caller reuses the Buffer', async () => {
    for (const options of [{}, { compression: { algorithm: 'gzip', threshold: 0 } as const }, { parser: 'auto' as const }]) {
      const store = openStore(options);
      const buffer = Buffer.from('before');
      const storing = store.set('k', buffer);
      buffer.write('after!');
      await storing;
      expect(String(await store.get('k'))).to.equal('before');
    }
  });

  it('leave `wrap` of cache-manager 5 whole, whatever becomes of storing them, and an event tells', async () => {
    const store = openStore();
    const cache = await caching(store);
    for (const [value, ttl] of [
      [{ n: 1n }, 1000],
      [{ token: 'x' }, () => -5],
      [{ token: 'y' }, () => Number.NaN],
    ] as const) {
      store.errors.length = 0;
      expect(await cache.wrap('w', async () => value, ttl as never)).to.equal(value);
      expect(await store.has('w')).to.equal(false);
      expect(store.errors.map(({ code }) => code)).to.satisfy(
        (codes: string[]) => codes.length === 1 && /CODEC|ARGUMENT/.test(codes[0] ?? ''),
      );
    }
  });

  it('of a wrong argument are told of by an event that names operation and key, and the caller sees the rejection', async () => {
    const store = openStore();
    await store.set('k', 1, -1).then(
      () => expect.fail('resolved'),
      (error) => expect(error).to.include({ code: 'ERR_ARGUMENT', operation: 'set', key: 'k' }),
    );
    expect(store.errors.map(({ code, operation }) => `${code} ${operation}`)).to.deep.equal(['ERR_ARGUMENT set']);
  });

  it('are stored by a store that was spread or taken apart, as cache-manager’s own stores can be', async () => {
    const store = openStore();
    const spread = await caching({ ...store, ttl: 5 } as unknown as ReturnType<typeof redisStore>);
    await spread.set('k', 1);
    const { get, set } = store;
    await set('l', 2);
    expect([await spread.get('k'), await get('l'), await redis.exists('nothing')]).to.deep.equal([1, 2, 0]);
    const { on, off } = store;
    const heard: unknown[] = [];
    const listener = (hit: unknown) => heard.push(hit);
    expect(on('hit', listener)).to.equal(store);
    await get('l');
    off('hit', listener);
    await get('l');
    expect(heard).to.have.length(1);
  });
});
