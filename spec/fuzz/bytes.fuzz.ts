import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import * as msgpackr from 'msgpackr';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import { entryHeader, frame, StoredEntry, withHeader } from '../../src/codec/entry.js';
import { ReplyParser } from '../../src/connection/direct/parser.js';
import { CacheError, msgpackSerializer, v8Serializer } from '../../src/index.js';
import { secrets } from '../support/settings.js';
import { fuzz } from './harness.js';

const msgpack = msgpackSerializer(msgpackr);
const readers: readonly CodecOptions[] = [
  {},
  { serializer: [v8Serializer, msgpack], compression: 'gzip' },
  { encryption: { keys: [{ id: 'k1', key: secrets.k1 }], acceptPlaintext: true } },
];
const codecs = readers.flatMap((options) => Object.values(createCodecs(options)));

/** Payloads of every layer, whole. */
const payload = fc.oneof(
  fc.json().map((text) => Buffer.from(text)),
  fc.json().map((text) => frame('keyv+gzip', gzipSync(text), true)),
  fc.json().map((text) => frame('json+brotli', brotliCompressSync(text), true)),
  fc.anything({ withMap: true, withSet: true, withDate: true, withTypedArray: true }).map((value) => {
    try {
      return frame('v8', v8Serializer.serialize(value), false);
    } catch {
      return Buffer.from('0');
    }
  }),
  fc.jsonValue().map((value) => frame('msgpack', msgpack.serialize(value) as Buffer, false)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => frame('bytes', Buffer.from(bytes), false)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);
const header = fc.option(
  fc.tuple(fc.nat(), fc.nat(), fc.dictionary(fc.string(), fc.string())).map(([staleFor, cost, tags]) => {
    return entryHeader({ staleFor, cost }, new Map(Object.entries(tags)));
  }),
  { nil: undefined },
);
/** Some bytes changed, cut off or repeated. */
const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'repeat', 'drop')), { maxLength: 4 });
type Damage = readonly (readonly [number, number, string])[];

function damaged(bytes: Buffer, how: Damage): Buffer {
  let result = Buffer.from(bytes);
  for (const [at, byte, kind] of how) {
    if (result.length === 0) return result;
    const place = at % result.length;
    if (kind === 'set') result[place] = byte;
    else if (kind === 'cut') result = result.subarray(0, place);
    else if (kind === 'drop') result = Buffer.concat([result.subarray(0, place), result.subarray(place + 1)]);
    else result = Buffer.concat([result, result.subarray(place, place + byte)]);
  }
  return result;
}

describe('fuzz: bytes', () => {
  fuzz('stored entries are values or errors of ours', fc.tuple(header, payload, damage), async ([before, content, how]) => {
    const entry = StoredEntry.parse(damaged(withHeader(before, content) as Buffer, how));
    for (const codec of codecs) {
      try {
        await codec.decode(entry, 'cache:k');
      } catch (error) {
        expect(error).to.be.instanceOf(CacheError);
      }
    }
  });

  const reply: fc.Arbitrary<string> = fc.letrec<{ reply: string }>((tie) => ({
    reply: fc.oneof(
      { depthSize: 'small' },
      fc.string().map((text) => `+${text.replace(/[\r\n]/g, '')}\r\n`),
      fc.string().map((text) => `-ERR ${text.replace(/[\r\n]/g, '')}\r\n`),
      fc.bigInt().map((number) => `:${number}\r\n`),
      fc.string().map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`),
      fc.constantFrom('$-1\r\n', '*-1\r\n', '*0\r\n', '*1000000000\r\n', '$99999999999\r\n', ':9999999999999999999999\r\n'),
      fc.array(tie('reply'), { maxLength: 5 }).map((items) => `*${items.length}\r\n${items.join('')}`),
    ),
  })).reply;

  fuzz(
    'replies are read the same, however they are cut into chunks',
    fc.tuple(
      fc.array(reply, { maxLength: 5 }).map((replies) => Buffer.from(replies.join(''))),
      damage,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
    ),
    ([whole, how, sizes]) => {
      const bytes = damaged(whole, how);
      const read = (cut: readonly number[]): unknown[] => {
        const heard: unknown[] = [];
        let isOver = false;
        const parser = new ReplyParser({
          returnBuffers: true,
          returnReply: (answer) => isOver || heard.push(answer),
          returnError: (error) => isOver || heard.push(error.message),
          returnFatalError: () => {
            isOver = true;
          },
        });
        for (let at = 0, i = 0; at < bytes.length && !isOver; i++) {
          const size = cut[i % cut.length] as number;
          parser.execute(bytes.subarray(at, at + size));
          at += size;
        }
        return heard;
      };
      expect(read(sizes)).to.deep.equal(read([Math.max(1, bytes.length)]));
    },
  );
});
