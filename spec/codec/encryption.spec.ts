import { createCipheriv, createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import type { EncryptionOptions } from '../../src/codec/encryption.js';
import { entryHeader, frame, type Stored, StoredEntry, withHeader } from '../../src/codec/entry.js';
import { ArgumentError, CodecError, keyFromPassphrase, OptionError, TamperedError, v8Serializer } from '../../src/index.js';
import { onBytes } from '../support/codec.js';
import { secretKey, secrets } from '../support/settings.js';
import { amount } from '../support/whole.js';

const counting = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const [k1, k2, k3] = Object.entries(secrets).map(([id, key]) => ({ id, key })) as [Key, Key, Key];
type Key = EncryptionOptions['keys'][number];

const codecs = (options: CodecOptions) => {
  const { values, raw } = createCodecs(options);
  return { values: onBytes(values), raw: onBytes(raw) };
};
const both = (keys: readonly Key[], more: { acceptPlaintext?: boolean; context?: string; compression?: 'gzip' } = {}) => {
  const { compression, ...accept } = more;
  return codecs({ compression: compression && { algorithm: compression, threshold: 0 }, encryption: { keys, ...accept } });
};
const values = (...parts: Parameters<typeof both>) => both(...parts).values;
const bytesOf = (stored: Stored): Buffer => Buffer.from(stored as string);
const sealed = async (codec: ReturnType<typeof values>, value: unknown, key = 'cache:k'): Promise<Buffer> =>
  bytesOf(await codec.encode(value, key));

/** What decoding ends with, in time or later. */
async function outcome(
  codec: ReturnType<typeof values>,
  stored: Stored,
  key = 'cache:k',
): Promise<{ value: unknown } | { error: unknown }> {
  try {
    return { value: await codec.decode(stored, key) };
  } catch (error) {
    return { error };
  }
}
async function refused(codec: ReturnType<typeof values>, stored: Stored, key?: string): Promise<string> {
  const result = await outcome(codec, stored, key);
  expect(result).to.have.property('error').that.is.instanceOf(CodecError);
  return ((result as { error: Error }).error as Error).message;
}

/** Marker, layer, id and 00 of the two envelopes, under the key `k1`. */
const [firstStart, secondStart] = ['aes256gcm:k1', 'aes256gcm.2:k1'].map((layers) => frame(layers, Buffer.alloc(0)).toString('hex')) as [
  string,
  string,
];

describe('encryption', () => {
  it('reads these bytes in ten years, which another implementation of AES-GCM wrote: those of the first envelope', async () => {
    const codec = values([{ id: 'k1', key: counting }]);
    const nonce = '000102030405060708090a0b';
    const golden: [string, unknown][] = [
      [`${firstStart}${nonce}3c20b739ffd4bffad3dc53241b94213873f34b04ac27f8`, { a: 1 }],
      [`${firstStart}${nonce}73309a924abe0bf656b2cd8e5f541c0f52a9`, 42],
    ];
    for (const [hex, value] of golden) {
      expect(await codec.decode(Buffer.from(hex, 'hex'), 'cache:k')).to.deep.equal(value);
      expect(await refused(codec, Buffer.from(hex, 'hex'), 'cache:l')).to.match(/does not decrypt/);
    }
  });

  it('writes an envelope that another implementation makes of the same parts', async () => {
    const codec = createCodecs({ encryption: { keys: [{ id: 'k1', key: counting }], context: 'prod' } }).values;
    const header = entryHeader({ staleFor: 5, cost: 1 }, new Map([['t', 'g']]));
    for (const value of [{ a: 1 }, 42]) {
      const whole = codec.seal((await codec.encode(value)) as Stored, 'cache:k', header) as Buffer;
      const envelope = whole.subarray(header?.length);
      expect(envelope.subarray(0, 16).toString('hex')).to.equal(secondStart);
      const lengths = Buffer.from([0, 0, 0, header?.length ?? 0, 0, 0, 0, 4]);
      const aad = Buffer.concat([envelope.subarray(0, 16), lengths, header as Buffer, Buffer.from('prodcache:k')]);
      const again = createCipheriv('aes-256-gcm', counting, envelope.subarray(16, 28)).setAAD(aad);
      const body = Buffer.concat([again.update(JSON.stringify(value)), again.final(), again.getAuthTag()]);
      expect(envelope.subarray(28)).to.deep.equal(body);
      expect(await codec.decode(StoredEntry.parse(whole), 'cache:k')).to.deep.equal(value);
    }
  });

  it('never uses a nonce twice, and shows nothing of the value or how it was written', async () => {
    const codec = codecs({ serializer: v8Serializer, compression: 'gzip', encryption: { keys: [k1] } }).values;
    const written = await Promise.all(Array.from({ length: 500 }, () => sealed(codec, { text: 'plainly visible'.repeat(200) })));
    expect(new Set(written.map((bytes) => bytes.subarray(16, 28).toString('hex'))).size).to.equal(500);
    for (const word of ['visible', 'v8', 'gzip']) expect(written[0]?.includes(word), word).to.equal(false);
  });

  it('takes a key as bytes, as a KeyObject, in base64, base64url and hexadecimal', async () => {
    const key = secretKey('forms');
    const forms = [
      key,
      new Uint8Array(key),
      createSecretKey(key),
      key.toString('base64'),
      key.toString('base64url'),
      key.toString('hex'),
      key.toString('hex').toUpperCase(),
    ];
    const written = await sealed(values([{ id: 'k', key }]), 'text');
    for (const form of forms) expect(await values([{ id: 'k', key: form }]).decode(written, 'cache:k')).to.equal('text');
  });

  it('writes with the first key and reads with all; a key that is not there is a CodecError', async () => {
    const old = await sealed(values([k1]), 'old');
    const codec = values([k2, k1]);
    expect(await codec.decode(old, 'cache:k')).to.equal('old');
    const fresh = await sealed(codec, 'new');
    expect(await values([k2]).decode(fresh, 'cache:k')).to.equal('new');
    expect(await refused(values([k1]), fresh)).to.equal('the stored value is encrypted with the key `k2`, which is not in the keyring');
    // The same name for another key.
    expect(await refused(values([{ id: 'k1', key: secrets.k3 }]), old)).to.match(/does not decrypt/);
    expect(await refused(codecs({}).values, old)).to.match(/`aes256gcm.2:k1`, which this store has no reader for/);
  });

  it('is bound to its key: copied to another one it does not decrypt', async () => {
    const codec = values([k1]);
    const written = await sealed(codec, { admin: true }, 'cache:mallory');
    expect(await codec.decode(written, 'cache:mallory')).to.deep.equal({ admin: true });
    for (const other of ['cache:alice', 'cache:mallor', 'cache:malloryy', '', 'cache:mallory\0']) {
      expect(await refused(codec, written, other)).to.match(/copied from another key/);
    }
  });

  it('is bound to its context, its age and its tags: without one of them, or with another, it does not decrypt', async () => {
    const sealing = (context?: string) => createCodecs({ encryption: { keys: [k1], ...(context !== undefined && { context }) } }).values;
    const [prod, test, none] = [sealing('prod'), sealing('test'), sealing()];
    const aging = { staleFor: 1000, cost: 3 };
    const tags = new Map([['t', 'generation']]);
    const headers = [
      undefined,
      entryHeader(aging, undefined),
      entryHeader(undefined, tags),
      entryHeader(aging, tags),
      entryHeader({ ...aging, staleFor: 9000 }, tags),
      entryHeader(aging, new Map([['t', 'another one']])),
      entryHeader(aging, new Map([...tags, ['u', 'x']])),
    ];
    for (const header of headers) {
      const written = StoredEntry.parse(prod.seal('{"a":1}', 'cache:k', header));
      expect(await prod.decode(written, 'cache:k')).to.deep.equal({ a: 1 });
      for (const other of [test, none]) expect(() => other.decode(written, 'cache:k')).to.throw(TamperedError, /or context/);
      for (const forged of headers.filter((each) => each !== header)) {
        expect(() => prod.decode(StoredEntry.parse(withHeader(forged, written.payload)), 'cache:k')).to.throw(TamperedError);
      }
      // Moved to another key of the ring, the entry keeps its header.
      const turned = createCodecs({ encryption: { keys: [k2, k1], context: 'prod' } }).values;
      const moved = StoredEntry.parse((await turned.reencode(written, 'cache:k')) as Stored);
      expect([moved.header, await turned.decode(moved, 'cache:k')]).to.deep.equal([header, { a: 1 }]);
    }
    // No part can take over bytes of its neighbour.
    expect(() => sealing('prodc').decode(StoredEntry.parse(prod.seal('1', 'cache:k', undefined)), 'ache:k')).to.throw(TamperedError);
  });

  it('moves entries in the first envelope, which was bound to its key only, into the second', async () => {
    const first = Buffer.from(`${firstStart}000102030405060708090a0b3c20b739ffd4bffad3dc53241b94213873f34b04ac27f8`, 'hex');
    const codec = createCodecs({ encryption: { keys: [{ id: 'k1', key: counting }], context: 'prod' } }).values;
    const header = entryHeader({ staleFor: 1, cost: 1 }, undefined);
    for (const entry of [StoredEntry.parse(first), StoredEntry.parse(withHeader(header, first))]) {
      const moved = StoredEntry.parse((await codec.reencode(entry, 'cache:k')) as Stored);
      expect([(moved.payload as Buffer).subarray(0, 16).toString('hex'), moved.header]).to.deep.equal([secondStart, entry.header]);
      expect(await codec.decode(moved, 'cache:k')).to.deep.equal({ a: 1 });
      expect(await codec.reencode(moved, 'cache:k')).to.equal(undefined);
    }
  });

  it('takes a key of a passphrase by scrypt, the same in every process, and refuses what is too short', async () => {
    const key = await keyFromPassphrase('correct horse battery staple', 'shop/cache');
    // Python: hashlib.scrypt(b'correct horse battery staple', salt=b'shop/cache', n=2**17, r=8, p=1, maxmem=2**28, dklen=32).hex()
    expect(key.toString('hex')).to.equal('9989755f6531d3dd1971287a04c91f8d7167d8aec5d1816906da513b45612629');
    expect(await values([{ id: 'p', key }]).decode(await sealed(values([{ id: 'p', key }]), 1), 'cache:k')).to.equal(1);
    for (const [passphrase, salt] of [
      ['too short', 'shop/cache'],
      ['correct horse battery staple', 'short'],
      [5, 'shop/cache'],
      ['correct horse battery staple', 7],
    ]) {
      const error = await keyFromPassphrase(passphrase as string, salt as string).catch((failure: Error) => failure);
      expect(error).to.be.instanceOf(ArgumentError).and.have.property('message').that.does.not.include(String(passphrase));
    }
  });

  it('reads no plaintext unless told to', async () => {
    for (const codecs of [both([k1]), both([k1], { acceptPlaintext: false })]) {
      for (const codec of [codecs.values, codecs.raw]) {
        for (const stored of ['42', Buffer.from('{"a":1}'), frame('json', '1'), frame('bytes', Buffer.from('x')), Buffer.alloc(0)]) {
          expect(await refused(codec, stored)).to.equal('the stored value is not encrypted, and `encryption.acceptPlaintext` is not set');
        }
      }
    }
    const accepting = values([k1], { acceptPlaintext: true });
    expect(await accepting.decode('42', 'cache:k')).to.equal(42);
    expect(await accepting.decode(frame('keyv', '{"a":1}'), 'cache:k')).to.deep.equal({ a: 1 });
    expect((await sealed(accepting, 42)).length).to.be.above(40);
  });

  it('moves what is under an older key, or under none, to the first one, and leaves the rest alone', async () => {
    const codec = values([k2, k1], { acceptPlaintext: true });
    for (const old of [await sealed(values([k1]), [1]), Buffer.from('[1]'), frame('keyv', '[1]')]) {
      const moved = (await codec.reencode(old, 'cache:k')) as Buffer;
      expect(await values([k2]).decode(moved, 'cache:k')).to.deep.equal([1]);
      expect(await codec.reencode(moved, 'cache:k')).to.equal(undefined);
    }
    const inner = await sealed(codecs({ serializer: v8Serializer, encryption: { keys: [k2] } }).values, [1]);
    const reading = codecs({ readable: [v8Serializer], encryption: { keys: [k2] } }).values;
    expect(await reading.reencode(inner, 'cache:k'), 'another serializer inside').to.satisfy(Buffer.isBuffer);
    expect(await codecs({}).values.reencode('[1]', 'cache:k')).to.equal(undefined);
  });

  it('treats __proto__ and constructor as names of keys like any other', async () => {
    const odd = ['__proto__', 'constructor', 'toString'].map((id) => ({ id, key: secretKey(id) }));
    const codec = values(odd);
    for (const key of odd) expect(await codec.decode(await sealed(values([key]), key.id), 'cache:k')).to.equal(key.id);
    const written = await sealed(values([odd[0] as Key]), 1);
    expect(await refused(values([k1]), written)).to.match(/`__proto__`, which is not in the keyring/);
  });

  it('refuses a keyring it cannot use, and never shows what came', () => {
    const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0';
    const wrong: unknown[] = [
      secret,
      {},
      { keys: [] },
      { keys: { k1: secret } },
      { keys: [secret] },
      { keys: [{ id: secret.repeat(2), key: secrets.k1 }] },
      { keys: [{ id: 'a+b', key: secrets.k1 }] },
      { keys: [{ id: 'k', key: secret }] },
      { keys: [{ id: 'k', key: Buffer.alloc(16) }] },
      { keys: [{ id: 'k', key: createSecretKey(Buffer.alloc(16)) }] },
      { keys: [{ id: 'k', key: undefined }] },
      { keys: [k1, { ...k2, id: 'k1' }] },
      { keys: [k1], acceptPlainText: true },
      { keys: [k1], acceptPlaintext: secret },
      { keys: [k1], context: 5 },
      { keys: [k1], context: '\ud800' },
      // Keys that are none.
      { keys: [{ id: 'k', key: Buffer.alloc(32) }] },
      { keys: [{ id: 'k', key: createSecretKey(Buffer.alloc(32, 9)) }] },
      { keys: [{ id: 'k', key: 'a'.repeat(64) }] },
      { keys: [{ id: 'k', key: Buffer.from('0123456789abcdef'.repeat(2)) }] },
      { keys: [{ id: 'k', key: Buffer.from('correct horse battery staple 123') }] },
    ];
    for (const [i, encryption] of wrong.entries()) {
      const make = () => createCodecs({ encryption: encryption as never });
      expect(make, String(i)).to.throw(OptionError, /`encryption/);
      expect(make, String(i)).not.to.throw(secret);
    }
  });

  describe('laws', () => {
    const written = fc.constantFrom(both([k1]), both([k1], { compression: 'gzip' }), both([k2, k1]));
    const reader = both([k1, k2, k3]);

    it('what is written is read back, by either codec', () =>
      fc.assert(
        fc.asyncProperty(written, fc.jsonValue(), fc.string({ unit: 'binary' }), fc.string(), async (codecs, value, text, key) => {
          expect(await reader.values.decode(await sealed(codecs.values, value, key), key)).to.deep.equal(JSON.parse(JSON.stringify(value)));
          expect(await reader.raw.decode(await sealed(codecs.raw, text, key), key)).to.equal(text);
        }),
        { numRuns: 300 },
      ));

    it('whatever is done to the bytes, or put in their place, is a CodecError and never a value', () =>
      fc.assert(
        fc.asyncProperty(written, fc.jsonValue({ maxDepth: 1 }), damage, async (codecs, value, spoil) => {
          const original = await sealed(codecs.values, value);
          const spoilt = spoil(original);
          if (spoilt.equals(original)) return;
          for (const codec of [reader.values, reader.raw]) {
            const result = await outcome(codec, spoilt);
            expect(result).to.have.property('error').that.is.instanceOf(CodecError);
          }
        }),
        { numRuns: amount({ some: 1000, all: 10_000 }) },
      ));
  });
});

/** Flipped bits, missing and added bytes, pieces moved, another header, anything at all. */
const damage: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
  fc.nat().map((at) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    const bit = at % (copy.length * 8);
    copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
    return copy;
  }),
  fc.nat().map((cut) => (bytes: Buffer) => bytes.subarray(0, cut % bytes.length)),
  fc.nat().map((cut) => (bytes: Buffer) => bytes.subarray(cut % bytes.length)),
  fc.uint8Array({ minLength: 1 }).map((more) => (bytes: Buffer) => Buffer.concat([bytes, more])),
  fc.tuple(fc.nat(), fc.nat()).map(
    ([a, b]) =>
      (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(a % bytes.length), bytes.subarray(0, b % bytes.length)]),
  ),
  fc
    .tuple(
      fc.constantFrom(
        'aes256gcm.2:k1',
        'aes256gcm.2:k2',
        'aes256gcm.2:k9',
        'aes256gcm:k1',
        'aes256gcm.2:',
        'aes256gcm',
        'json+aes256gcm:k1',
      ),
      fc.boolean(),
    )
    .map(
      ([layers, text]) =>
        (bytes: Buffer) =>
          frame(layers, bytes.subarray(16), text),
    ),
  fc.tuple(fc.constantFrom('aes256gcm:k1', 'aes256gcm.2:k1', 'aes256gcm.2:k2'), fc.uint8Array({ maxLength: 60 }), fc.boolean()).map(
    ([layers, payload, text]) =>
      () =>
        frame(layers, Buffer.from(payload), text),
  ),
  fc.uint8Array({ maxLength: 60 }).map((anything) => () => Buffer.from(anything)),
);
