import { inspect } from 'node:util';
import { defaultDeserialize, defaultSerialize } from '@keyv/serialize';
import { expect } from 'chai';
import fc from 'fast-check';
import * as msgpackr from 'msgpackr';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import type { Stored } from '../../src/codec/entry.js';
import { frame, parseFrame } from '../../src/codec/entry.js';
import {
  CodecError,
  gzipCompressor,
  jsonSerializer,
  keyvSerializer,
  msgpackSerializer,
  type Serializer,
  v8Serializer,
  zstdCompressor,
} from '../../src/index.js';
import { onBytes } from '../support/codec.js';

const bytesOf = (stored: Stored): Buffer => Buffer.from(stored as string);
const values = (options: CodecOptions = {}) => onBytes(createCodecs(options).values);
const raw = (options: CodecOptions = {}) => onBytes(createCodecs(options).raw);
const msgpack = msgpackSerializer(msgpackr);
const superjsonLike: Serializer = {
  name: 'tagged',
  stringify: (value) => `T${JSON.stringify(value)}`,
  parse: (text) => JSON.parse(text.slice(1)),
};

/** Every setting of the codec, by what it is called. */
const settings: Record<string, CodecOptions> = {};
for (const serializer of [keyvSerializer, jsonSerializer, v8Serializer, msgpack, superjsonLike]) {
  settings[`${serializer.name}`] = { serializer };
  for (const algorithm of ['gzip', 'brotli', ...(zstdCompressor.supported ? (['zstd'] as const) : [])] as const) {
    settings[`${serializer.name}+${algorithm}`] = { serializer, compression: { algorithm, threshold: 0 } };
  }
}

describe('codec', () => {
  it('writes these bytes, and reads them in ten years', async () => {
    const golden: [CodecOptions, unknown, string][] = [
      [{}, 42, '34 32'],
      [{ serializer: v8Serializer }, 42, '34 32'],
      [{}, null, '6e 75 6c 6c'],
      [{}, { a: 1 }, '7b 22 61 22 3a 31 7d'],
      [{}, 'text', '22 74 65 78 74 22'],
      [{}, ':a', 'c0 6b 65 79 76 00 22 3a 3a 61 22'],
      [{ serializer: jsonSerializer }, ':a', '22 3a 61 22'],
      [{}, { b: Buffer.from([255]) }, `c0 6b 65 79 76 00 ${Buffer.from('{"b":":base64:/w=="}').toString('hex')}`],
      [{}, Buffer.from([0xff, 0x00, 0xfe]), 'c1 62 79 74 65 73 00 ff 00 fe'],
      [{ serializer: v8Serializer }, true, 'c1 76 38 00 ff 0f 54'],
      [{ serializer: msgpack }, [1], 'c1 6d 73 67 70 61 63 6b 00 91 01'],
      [{ serializer: superjsonLike }, [1], 'c0 74 61 67 67 65 64 00 54 5b 31 5d'],
      [{ serializer: { stringify: JSON.stringify, parse: JSON.parse } }, [1], 'c0 63 75 73 74 6f 6d 00 5b 31 5d'],
    ];
    for (const [options, value, hex] of golden) {
      const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
      expect(bytesOf(await values(options).encode(value)).toString('hex'), `${options.serializer} ${value}`).to.equal(
        bytes.toString('hex'),
      );
      expect(await values(options).decode(bytes)).to.deep.equal(value);
    }
    // Compressed bytes differ between versions of zlib: their frame is golden, and old bytes stay readable.
    const packed = bytesOf(await values({ compression: { algorithm: 'gzip', threshold: 0 } }).encode({ a: 1 }));
    expect(packed.subarray(0, 13).toString('hex')).to.equal(`c0${Buffer.from('keyv+gzip').toString('hex')}001f8b`);
    const old = Buffer.concat([
      Buffer.from('c06a736f6e2b677a697000', 'hex'),
      Buffer.from('H4sIAAAAAAAAA6tWSlSyMqwFAK+sG1YHAAAA', 'base64'),
    ]);
    expect(await values().decode(old)).to.deep.equal({ a: 1 });
  });

  it('compresses from the threshold on', async () => {
    const codec = values({ compression: { algorithm: 'gzip', threshold: 100 } });
    expect(await codec.encode('x'.repeat(97))).to.be.a('string');
    expect(await codec.encode('x'.repeat(98))).to.satisfy(Buffer.isBuffer);
    expect(await values({ compression: gzipCompressor }).encode('x'.repeat(1000))).to.be.a('string');
    expect(bytesOf(await values({ compression: 'gzip' }).encode('x'.repeat(10_000))).length).to.be.below(200);
  });

  it('reads anything the other settings wrote', async () => {
    const value = { text: ':x'.repeat(20), list: [1, 'ü'], bytes: 1.5 };
    for (const [by, writer] of Object.entries(settings)) {
      const stored = bytesOf(await values(writer).encode(value));
      for (const [reader, options] of Object.entries(settings)) {
        const codec = values({ ...options, readable: [v8Serializer, msgpack, superjsonLike] });
        expect(await codec.decode(stored), `${reader} reads ${by}`).to.deep.equal(value);
      }
    }
  });

  it('says so where it has no reader', async () => {
    const stored = bytesOf(await values({ serializer: msgpack }).encode({ a: 1 }));
    expect(() => values().decode(stored)).to.throw(CodecError, 'was written with `msgpack`, which this store has no reader for');
    expect(() => msgpackSerializer(undefined as never)).to.throw('expected the argument of `msgpackSerializer` to be the msgpackr module');
  });

  it('keeps what its serializer keeps: maps, dates and cycles by v8, buffers at any depth by keyv', async () => {
    const cyclic: Record<string, unknown> = { map: new Map([[1, new Date(5)]]), set: new Set(['a']), big: 10n };
    cyclic['self'] = cyclic;
    const codec = values({ serializer: v8Serializer });
    expect(await codec.decode(bytesOf(await codec.encode(cyclic)))).to.deep.equal(cyclic);
    const nested = { a: [{ b: Buffer.from([0xff]) }] };
    expect(await values().decode(bytesOf(await values().encode(nested)))).to.deep.equal(nested);
  });

  it('refuses what has no encoding', async () => {
    for (const value of [() => 1, Symbol('s'), 10n]) expect(() => values().encode(value), String(value)).to.throw(CodecError);
    const failing = values({ serializer: { stringify: async () => Promise.reject(new Error('no')), parse: JSON.parse } });
    expect(await (failing.encode({}) as Promise<unknown>).catch((error) => error)).to.include({ code: 'ERR_CODEC' });
  });

  it('gives bytes of their own, not a view into what was read', async () => {
    const stored = bytesOf(await values().encode(Buffer.from('abc')));
    const value = (await values().decode(stored)) as Buffer;
    stored.fill(0);
    expect(value.toString()).to.equal('abc');
  });

  it('keeps Keyv’s text as it is, whatever it looks like', () => {
    for (const text of ['{"value":1}', '', 'C1', '\u00c1json\0', 'null', '42']) {
      expect(raw().encode(text)).to.equal(text);
      expect(raw().decode(Buffer.from(text))).to.equal(text);
    }
  });

  describe('laws', () => {
    for (const [name, options] of Object.entries(settings)) {
      it(`${name}: what is written is read back, exactly as the serializer itself would give it`, () =>
        fc.assert(
          fc.asyncProperty(fc.jsonValue({ depthSize: 'small' }), async (value) => {
            const codec = values(options);
            const expected = name.startsWith('keyv') ? defaultDeserialize(defaultSerialize(value)) : plain(value, name);
            expect(await codec.decode(bytesOf(await codec.encode(value)))).to.deep.equal(expected);
          }),
          { numRuns: name.includes('+') ? 50 : 300 },
        ));
    }

    it('the default gives exactly the results of @keyv/serialize for anything that JSON can hold, and refuses the rest', () =>
      fc.assert(
        fc.asyncProperty(
          fc.anything({
            withDate: true,
            withNullPrototype: false,
            withTypedArray: true,
            withSparseArray: true,
            withMap: true,
            withSet: true,
          }),
          async (value) => {
            const text = defaultSerialize(value) as string | undefined;
            if (text === undefined || value === undefined) return;
            const codec = values();
            const shown = inspect(value, { depth: 20 });
            if (/\b(Map|Set)\(/.test(shown)) expect(() => codec.encode(value)).to.throw(CodecError);
            else expect(await codec.decode(bytesOf(await codec.encode(value)))).to.deep.equal(asJson(value));
          },
        ),
        { numRuns: 1000 },
      ));

    it('Keyv’s text is read back under every setting', () =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary' }), fc.constantFrom(...Object.values(settings)), async (text, options) => {
          const codec = raw(options);
          expect(await codec.decode(bytesOf(await codec.encode(text)))).to.equal(text);
        }),
      ));

    it('any stored bytes are a value or a CodecError, never anything else, and never text with replaced characters', () =>
      fc.assert(
        fc.asyncProperty(anyStored, async (bytes) => {
          for (const codec of [values(), raw()]) {
            let value: unknown;
            try {
              value = await codec.decode(bytes);
            } catch (error) {
              expect(error).to.be.instanceOf(CodecError);
              continue;
            }
            if (typeof value !== 'string' || bytes.toString('latin1').includes('\\u')) continue;
            // In text with lone surrogates the character has two bytes, and nothing was replaced there.
            const wide = parseFrame(bytes)?.layers === 'utf16';
            const stored = wide ? (parseFrame(bytes)?.payload.toString('utf16le') ?? '') : bytes;
            expect(value.includes('\ufffd')).to.equal(stored.includes('\ufffd'));
          }
        }),
        { numRuns: 2000 },
      ));

    it('a frame is read back, and its header holds nothing else', () =>
      fc.assert(
        fc.property(
          fc.stringMatching(/^[a-z0-9._-]{1,32}(\+[a-z0-9._-]{1,32})?$/),
          fc.uint8Array(),
          fc.boolean(),
          (layers, payload, text) => {
            const parsed = parseFrame(frame(layers, Buffer.from(payload), text));
            expect(parsed).to.deep.equal({ layers, payload: Buffer.from(payload), text });
          },
        ),
      ));
  });
});

/** Random bytes, frames around random bytes, and valid text cut and spoiled. */
const anyStored = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(
      fc.constantFrom('json', 'keyv', 'v8', 'bytes', 'text', 'utf16', 'json+gzip', 'v8+brotli', 'none', '+', 'json+gzip+gzip'),
      fc.uint8Array(),
      fc.boolean(),
    )
    .map(([layers, payload, text]) => frame(layers, Buffer.from(payload), text)),
  fc.tuple(fc.json(), fc.nat()).map(([text, cut]) => Buffer.from(text).subarray(0, cut % (text.length + 1))),
);

/** What `@keyv/serialize` gives back for the value, once views of bytes are Buffers. */
function asJson(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return defaultDeserialize(defaultSerialize(withBuffers(value)) as string);
}

function withBuffers(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return value.map(withBuffers);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withBuffers(member)]));
}

/** JSON knows no -0; msgpackr renames the key __proto__ . */
function plain(value: unknown, name: string): unknown {
  if (name.startsWith('v8') || name.startsWith('msgpack'))
    return value === 0 ? 0 : name.startsWith('msgpack') ? msgpackr.unpack(msgpackr.pack(value)) : value;
  return JSON.parse(JSON.stringify(value));
}
