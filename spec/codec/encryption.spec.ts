import { createCipheriv, createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { createCodecs } from '../../src/codec/codec.js';
import type { EncryptionOptions } from '../../src/codec/encryption.js';
import type { Stored } from '../../src/codec/entry.js';
import { frame } from '../../src/codec/entry.js';
import { CodecError, OptionError, v8Serializer } from '../../src/index.js';
import { secrets } from '../support/settings.js';

const counting = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const [k1, k2, k3] = Object.entries(secrets).map(([id, key]) => ({ id, key })) as [Key, Key, Key];
type Key = EncryptionOptions['keys'][number];

const both = (keys: readonly Key[], more: { acceptPlaintext?: boolean; compression?: 'gzip' } = {}) => {
  const { compression, ...accept } = more;
  return createCodecs({ compression: compression && { algorithm: compression, threshold: 0 }, encryption: { keys, ...accept } });
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

describe('encryption', () => {
  it('reads these bytes in ten years, which another implementation of AES-GCM wrote', async () => {
    const codec = values([{ id: 'k1', key: counting }]);
    const header = 'c1 61 65 73 32 35 36 67 63 6d 3a 6b 31 00'.replaceAll(' ', '');
    const nonce = '000102030405060708090a0b';
    const golden: [string, unknown][] = [
      [`${header}${nonce}3c20b739ffd4bffad3dc53241b94213873f34b04ac27f8`, { a: 1 }],
      [`${header}${nonce}73309a924abe0bf656b2cd8e5f541c0f52a9`, 42],
    ];
    for (const [hex, value] of golden) {
      const bytes = Buffer.from(hex, 'hex');
      expect(await codec.decode(bytes, 'cache:k')).to.deep.equal(value);
      expect((await sealed(codec, value)).subarray(0, 14).toString('hex')).to.equal(header);
      // What is written differs by nothing but the nonce and what follows from it.
      const written = await sealed(codec, value);
      const again = createCipheriv('aes-256-gcm', counting, written.subarray(14, 26)).setAAD(
        Buffer.concat([written.subarray(0, 14), Buffer.from('cache:k')]),
      );
      const body = Buffer.concat([again.update(JSON.stringify(value)), again.final(), again.getAuthTag()]);
      expect(written.subarray(26)).to.deep.equal(body);
    }
  });

  it('never uses a nonce twice, and shows nothing of the value or how it was written', async () => {
    const codec = createCodecs({ serializer: v8Serializer, compression: 'gzip', encryption: { keys: [k1] } }).values;
    const written = await Promise.all(Array.from({ length: 500 }, () => sealed(codec, { text: 'plainly visible'.repeat(200) })));
    expect(new Set(written.map((bytes) => bytes.subarray(14, 26).toString('hex'))).size).to.equal(500);
    for (const word of ['visible', 'v8', 'gzip']) expect(written[0]?.includes(word), word).to.equal(false);
  });

  it('takes a key as bytes, as a KeyObject, in base64, base64url and hexadecimal', async () => {
    const key = Buffer.alloc(32, 0xfb);
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
    expect(await refused(createCodecs({}).values, old)).to.match(/`aes256gcm:k1`, which this store has no reader for/);
  });

  it('is bound to its key: copied to another one it does not decrypt', async () => {
    const codec = values([k1]);
    const written = await sealed(codec, { admin: true }, 'cache:mallory');
    expect(await codec.decode(written, 'cache:mallory')).to.deep.equal({ admin: true });
    for (const other of ['cache:alice', 'cache:mallor', 'cache:malloryy', '', 'cache:mallory\0']) {
      expect(await refused(codec, written, other)).to.match(/copied from another key/);
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
    for (const old of [await sealed(values([k1]), [1]), Buffer.from('[1]'), frame('v8', v8Serializer.serialize([1]))]) {
      const moved = (await codec.reencode(old, 'cache:k')) as Buffer;
      expect(await values([k2]).decode(moved, 'cache:k')).to.deep.equal([1]);
      expect(await codec.reencode(moved, 'cache:k')).to.equal(undefined);
    }
    const inner = await sealed(createCodecs({ serializer: v8Serializer, encryption: { keys: [k2] } }).values, [1]);
    expect(await codec.reencode(inner, 'cache:k'), 'another serializer inside').to.satisfy(Buffer.isBuffer);
    expect(await createCodecs({}).values.reencode('[1]', 'cache:k')).to.equal(undefined);
  });

  it('treats __proto__ and constructor as names of keys like any other', async () => {
    const odd = ['__proto__', 'constructor', 'toString'].map((id, i) => ({ id, key: Buffer.alloc(32, i + 10) }));
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
        { numRuns: 3000 },
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
    .tuple(fc.constantFrom('aes256gcm:k1', 'aes256gcm:k2', 'aes256gcm:k9', 'aes256gcm:', 'aes256gcm', 'json+aes256gcm:k1'), fc.boolean())
    .map(
      ([layers, text]) =>
        (bytes: Buffer) =>
          frame(layers, bytes.subarray(14), text),
    ),
  fc.tuple(fc.constantFrom('aes256gcm:k1', 'aes256gcm:k2'), fc.uint8Array({ maxLength: 60 }), fc.boolean()).map(
    ([layers, payload, text]) =>
      () =>
        frame(layers, Buffer.from(payload), text),
  ),
  fc.uint8Array({ maxLength: 60 }).map((anything) => () => Buffer.from(anything)),
);
