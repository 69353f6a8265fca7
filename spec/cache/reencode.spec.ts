import { expect } from 'chai';
import fc from 'fast-check';
import { holdsExactNumbers } from '../../src/codec/storable.js';
import type { ReencodeProgress, StoreOptions } from '../../src/index.js';
import { jsonSerializer, v8Serializer } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore } from '../support/open.js';
import { secretKey } from '../support/settings.js';
import { type RawClient, rawClient } from '../support/wire.js';

async function last(run: AsyncIterable<ReencodeProgress>): Promise<ReencodeProgress | undefined> {
  let progress: ReencodeProgress | undefined;
  for await (progress of run);
  return progress;
}

describe('reencode', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  const gzip = { compression: { algorithm: 'gzip', threshold: 0 } } as const;
  const secret = { encryption: { keys: [{ id: 'a', key: secretKey('a') }], acceptPlaintext: true } };

  /** A store over what another one, and other programs, have written. */
  async function over(
    options: StoreOptions,
    values: Record<string, unknown>,
    raw: Record<string, string> = {},
  ): Promise<ReturnType<typeof openStore>> {
    const old = openStore({ serializer: v8Serializer });
    for (const [key, value] of Object.entries(values)) await old.set(key, value);
    for (const [key, text] of Object.entries(raw)) await redis.set(`${old.source.prefix}:${key}`, text);
    return openStore({ prefix: old.source.prefix, readable: [v8Serializer], ...options });
  }

  it('leaves a value that the serializer of now cannot hold, counts it and rewrites the rest', async () => {
    const lost = { map: new Map([[1, 2]]), date: new Date(0), nan: [Number.NaN], big: { n: 10n }, minus: [-0], gone: { a: undefined } };
    const store = await over({ serializer: jsonSerializer }, { ...lost, plain: { a: [1, 'two'] } });
    expect(await last(store.reencode())).to.include({ scanned: 7, rewritten: 1, left: 6, unreadable: 0 });
    for (const [key, value] of Object.entries(lost)) expect(await store.get(key), key).to.deep.equal(value);
    expect(await redis.get(`${store.source.prefix}:plain`)).to.equal('{"a":[1,"two"]}');
    expect(store.errors).to.deep.equal([]);
  });

  const inexact = { long: '12345678901234567890', huge: '{"a":[1e400]}', minus: '[-0]', fine: '0.1000000000000000055511151231257827' };
  const exact = {
    spaced: '{ "a" : 1.50 }',
    text: '"12345678901234567890"',
    small: '[1e-7,1.0E3,123456789012345680000]',
    odd: '{"1e400":"\\"-0"}',
  };
  for (const [title, options] of Object.entries({
    'plain JSON': {},
    'plain JSON under another serializer': { serializer: jsonSerializer },
  })) {
    it(`leaves ${title} to the letter`, async () => {
      const store = await over(options, {}, { ...inexact, ...exact });
      expect(await last(store.reencode())).to.include({ rewritten: 0, left: 4 });
      for (const [key, text] of Object.entries({ ...inexact, ...exact }))
        expect(await redis.get(`${store.source.prefix}:${key}`)).to.equal(text);
    });
  }

  it('compresses what is written by others, and leaves numbers that JavaScript does not hold', async () => {
    const store = await over(gzip, {}, { ...inexact, ...exact });
    expect(await last(store.reencode())).to.include({ rewritten: 4, left: 4 });
    for (const [key, text] of Object.entries(inexact)) expect(await redis.get(`${store.source.prefix}:${key}`)).to.equal(text);
    for (const [key, text] of Object.entries(exact)) expect(await store.get(key)).to.deep.equal(JSON.parse(text));
    expect(await last(store.reencode())).to.include({ rewritten: 0, left: 4 });
  });

  it('encrypts such numbers to the letter', async () => {
    const store = await over(secret, {}, inexact);
    expect(await last(store.reencode())).to.include({ rewritten: 4, left: 0 });
    const { encryption } = secret;
    const strict = openStore({ prefix: store.source.prefix, encryption: { keys: encryption.keys } });
    for (const [key, text] of Object.entries(inexact)) expect(await strict.get(key)).to.deep.equal(JSON.parse(text));
  });

  it('compresses what Keyv has serialized to the letter, numbers included', async () => {
    const options = { location: sharedServer().location, prefix: openStore().source.prefix };
    const old = closing(new KeyvRedisStore(options));
    await old.set('k', '{"value":12345678901234567890}');
    const adapter = closing(new KeyvRedisStore({ ...options, ...gzip }));
    expect(await last(adapter.reencode())).to.include({ rewritten: 1, left: 0 });
    expect(await adapter.get('k')).to.equal('{"value":12345678901234567890}');
    expect(await last(adapter.reencode())).to.include({ rewritten: 0, left: 0 });
  });

  it('knows the numbers that JSON.parse holds: all that JSON.stringify writes, but -0', () => {
    fc.assert(
      fc.property(fc.json(), (text) => holdsExactNumbers(JSON.stringify(JSON.parse(text)))),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (number) => holdsExactNumbers(JSON.stringify({ a: number }))),
      { numRuns: 500 },
    );
    for (const text of ['9007199254740993', '0.30000000000000000001', '-0.0', '1e309', '1e-400', '4e-324'])
      expect(holdsExactNumbers(text), text).to.equal(false);
  });
});
