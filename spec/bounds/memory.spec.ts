import { expect } from 'chai';
import * as msgpackr from 'msgpackr';
import { msgpackSerializer, type StoreOptions, v8Serializer } from '../../src/index.js';
import { openStore } from '../support/open.js';

/** Returns what it was given, and keeps it. */
const identity = { name: 'identity', threshold: 0, compress: (bytes: Buffer) => bytes, decompress: (bytes: Buffer) => bytes };
const rawBytes = { name: 'raw', serialize: (value: unknown) => value as Buffer, deserialize: (bytes: Buffer) => bytes };
const ways: Record<string, StoreOptions> = {
  default: {},
  v8: { serializer: v8Serializer },
  msgpack: { serializer: msgpackSerializer(msgpackr) },
  gzip: { compression: { algorithm: 'gzip', threshold: 0 } },
  'an identity compressor': { compression: identity },
  'an identity serializer': { serializer: rawBytes },
};
const engines: Record<string, StoreOptions> = {
  Redis: {},
  'our own parser': { parser: 'auto' },
  'memory:': { location: 'memory:' },
  near: { near: {} },
  'near, frozen': { near: { freeze: true } },
};

/** All views of bytes in a value. */
function viewsIn(value: unknown): ArrayBufferView[] {
  if (ArrayBuffer.isView(value)) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(viewsIn) : [];
}

describe('the memory of bytes that a caller gets', () => {
  for (const [engine, where] of Object.entries(engines)) {
    for (const [way, how] of Object.entries(ways)) {
      it(`is the caller's own: ${way}, ${engine}`, async () => {
        const store = openStore({ ...where, ...how });
        const values: Record<string, unknown> = { whole: Buffer.from('whole bytes') };
        if (how.serializer !== rawBytes) values['inside'] = { a: Buffer.from('first'), b: [Buffer.from('second')] };
        if (way === 'v8') values['arrays'] = [new Uint8Array([1, 2]), new Float64Array([1.5, 2]), new DataView(new ArrayBuffer(5))];
        for (const [key, value] of Object.entries(values)) {
          await store.set(key, value);
          const [one, other] = await Promise.all([store.get(key), store.get(key)]);
          expect(one).to.deep.equal(value);
          const buffers = [one, other, ...(await store.mget(key, key))].flatMap(viewsIn);
          const memories = new Set(buffers.map(({ buffer }) => buffer));
          // The views of one value of msgpackr share the memory of that value.
          if (way === 'msgpack') expect(memories.size).to.be.at.least(4);
          else {
            for (const { buffer, byteLength } of buffers) expect(buffer.byteLength, key).to.equal(byteLength);
            expect(memories.size, key).to.equal(buffers.length);
          }
          for (const view of viewsIn(one)) new Uint8Array(view.buffer).fill(0x2a);
          expect(await store.get(key)).to.deep.equal(value);
        }
        expect(store.errors).to.deep.equal([]);
      });
    }
  }
});
