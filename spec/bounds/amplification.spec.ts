import { isDeepStrictEqual } from 'node:util';
import { serialize } from 'node:v8';
import { expect } from 'chai';
import * as msgpackr from 'msgpackr';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import { frame } from '../../src/codec/entry.js';
import { skimV8 } from '../../src/codec/skim-v8.js';
import { CodecError, LimitError, msgpackSerializer, type Serializer, v8Serializer } from '../../src/index.js';
import { onBytes } from '../support/codec.js';
import { rejection } from '../support/open.js';

const msgpack = msgpackSerializer(msgpackr);
const read = async (serializer: Serializer, bytes: Uint8Array, options: CodecOptions = {}): Promise<unknown> =>
  onBytes(createCodecs({ ...options, readable: [serializer] }).values).decode(frame(serializer.name as string, Buffer.from(bytes)));
const refused = async (reading: Promise<unknown>, kind: typeof CodecError = LimitError): Promise<void> => {
  expect(await rejection(reading)).to.be.an.instanceOf(kind);
};

/** Chai takes seconds for what is as large as this. */
function expectEqual(actual: unknown, expected: unknown): void {
  expect(isDeepStrictEqual(actual, expected)).to.equal(true);
}

/** A number as V8 writes it. */
function varint(number: number): number[] {
  return number < 128 ? [number] : [128 | (number & 127), ...varint(number >>> 7)];
}
const v8 = (...parts: readonly (number | string | readonly number[])[]): Buffer =>
  Buffer.from([0xff, 15, ...parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part)] : part))]);
const times = (count: number, part: readonly number[]): number[] => Array.from({ length: count }, () => part).flat();

describe('a few bytes that take much memory', () => {
  it('are refused in v8: arrays whose length is told and not filled', async () => {
    const nested = Buffer.concat([v8(times(50, [0x41, ...varint(900_000)])), Buffer.alloc(900_100, 0x30)]);
    await refused(read(v8Serializer, nested));
  });

  it('are refused in v8: views of one buffer', async () => {
    const views = [0x42, 8, ...times(8, [0]), 0x56, 0x42, 0, 1, 0, ...times(30_000, [0x5e, 1, 0x56, 0x42, 0, 1, 0])];
    await refused(read(v8Serializer, v8('A', varint(30_001), views, [0x24, 0], varint(30_001))));
  });

  it('are refused in v8 and msgpack: members at an index, which make room for all below', async () => {
    const key = [0x55, ...varint(1023)];
    const text = [0x22, 4, ...Buffer.from('1023')];
    const wide = [0x63, 8, ...Buffer.from('1023', 'utf16le')];
    for (const name of [key, text, wide]) {
      const objects = times(10_000, [0x6f, 0x22, 1, 0x61, 0x30, ...name, 0x30, 0x7b, 2]);
      await refused(read(v8Serializer, v8('A', varint(10_000), objects, [0x24, 0], varint(10_000))));
    }
    for (const name of [
      [0xcd, 3, 0xff],
      [0xa4, ...Buffer.from('1023')],
    ]) {
      const maps = times(10_000, [0x82, 0xa1, 0x61, 0, ...name, 0]);
      await refused(read(msgpack, Buffer.from([0xdc, 10_000 >> 8, 10_000 & 255, ...maps])));
    }
  });

  it('are refused in msgpack: one array that becomes many Sets', async () => {
    const array = [0xdc, 0x27, 0x10, ...times(10_000, [1])];
    const pointers = Buffer.from([0xdc, 1, 0x2d, 0xd6, 0x69, 0, 0, 0, 1, ...array, ...times(300, [0xd4, 0x73, 0, 0xd6, 0x70, 0, 0, 0, 1])]);
    await refused(read(msgpack, pointers), CodecError);
    const twice = { a: 1 };
    const cloned = new msgpackr.Packr({ structuredClone: true }).pack([twice, twice]);
    expect((await rejection(read(msgpack, cloned))).message).to.contain('`structuredClone` of msgpackr');
    await refused(read(msgpack, Buffer.from([...times(300, [0xd4, 0x73, 0]), ...array])), CodecError);
    await refused(read(msgpack, Buffer.from([...times(300, [0xc7, 1, 0x73, 0]), ...array])), CodecError);
  });

  it('are refused in msgpack: records, which count as objects', async () => {
    const records = Buffer.from([0xdd, 0, 3, 0, 0, 0xd4, 0x72, 0x40, 0x90, ...times(196_607, [0x40])]);
    await refused(read(msgpack, records));
  });

  it('are refused in v8: Dates, and the objects around primitive values', async () => {
    for (const each of [new Date(0), Object(1), Object(1n), Object(true)]) {
      await refused(read(v8Serializer, serialize(Array.from({ length: 100_001 }, () => structuredClone(each)))));
    }
  });

  it('are refused in msgpack: timestamps, which become Dates', async () => {
    await refused(read(msgpack, Buffer.from([0xdd, 0, 1, 0x86, 0xa1, ...times(100_001, [0xd6, 0xff, 0, 0, 0, 0])])));
  });

  it('are refused in JSON: strings that become Buffers', async () => {
    for (const string of [':base64:QQ==', '\\u003abase64:QQ==']) {
      const text = `[${`"${string}",`.repeat(100_001)}1]`;
      await refused(Promise.resolve().then(() => onBytes(createCodecs({}).values).decode(frame('keyv', text))));
    }
  });
});

describe('what takes little', () => {
  it('is read from JSON: rows of many columns, a large dictionary, strings that begin with a colon', async () => {
    const columns = ['id', 'name', 'mail', 'city', 'zip', 'phone', 'street'];
    const rows = Array.from({ length: 40_000 }, (_, i) => Object.fromEntries(columns.map((name) => [name, `${name} ${i}`])));
    const dictionary = Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`k${i}`, i]));
    const colons = Array.from({ length: 1000 }, () => ({ ':smile:': ':base64:QQ==', ':': '\\u' }));
    for (const value of [rows, dictionary, colons]) {
      expectEqual(await onBytes(createCodecs({}).values).decode(Buffer.from(JSON.stringify(value))), value);
      expect(() => createCodecs({}).values.encode(value)).to.not.throw();
    }
  });

  it('is read from v8: sparse arrays, resizable buffers, names that are numbers, errors with a cause', async () => {
    const sparse: number[] = [];
    sparse[900_000] = 1;
    const counters = Array.from({ length: 2000 }, (_, i) => ({ 200: i, 404: 1, cause: new Error('x', { cause: { 1023: [i] } }) }));
    const buffer = Reflect.construct(ArrayBuffer, [3, { maxByteLength: 9 }]) as ArrayBuffer;
    const ids = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [i + 100_000, { n: i }]));
    const views = Array.from({ length: 2000 }, (_, i) => ({ view: new Uint8Array(2), number: 1000 + i, a: 900 }));
    for (const value of [
      sparse,
      counters,
      ids,
      [views, Object.assign([1, 2], { x: 900 })],
      { holes: Object.assign(new Array(3), { 1: 1 }), n: 1000 },
    ]) {
      expectEqual(await read(v8Serializer, serialize(value)), value);
    }
    expect(await read(v8Serializer, serialize(buffer)))
      .to.be.an.instanceOf(ArrayBuffer)
      .with.property('byteLength', 3);
    expect(skimV8(serialize(Array.from({ length: 5000 }, () => ({ n: 1023 }))), () => {}).reserved).to.equal(5000);
  });

  it('is read from msgpack: long arrays, Sets, records, names that are numbers', async () => {
    const rows = Array.from({ length: 5000 }, (_, i) => ({ id: 1000 + i, name: `n${i}`, size: 900, tags: { a: 1023 } }));
    const status = Array.from({ length: 2000 }, (_, i) => ({ 200: i, 404: 1 }));
    const numbers = Array.from({ length: 900_000 }, () => 100);
    const sets = Array.from({ length: 1000 }, (_, i) => ({ set: new Set([i, 900]), error: new Error('x'), re: /a/g, n: 1000 }));
    for (const options of [{}, { useRecords: true }, { moreTypes: true }, { bundleStrings: true }, { structuredClone: true }]) {
      const packr = new msgpackr.Packr(options);
      for (const value of [rows, status, numbers]) expectEqual(await read(msgpackSerializer(packr), packr.pack(value)), value);
      // Node 22 takes two errors that look the same for different ones.
      if ('moreTypes' in options) expect(await read(msgpackSerializer(packr), packr.pack(sets))).to.deep.equal(sets);
    }
  });
});
