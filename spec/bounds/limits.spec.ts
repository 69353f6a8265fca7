import { serialize } from 'node:v8';
import { expect } from 'chai';
import fc from 'fast-check';
import * as msgpackr from 'msgpackr';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import { frame } from '../../src/codec/entry.js';
import { type Counts, skimJson } from '../../src/codec/skim-json.js';
import { skimMsgpack } from '../../src/codec/skim-msgpack.js';
import { skimV8 } from '../../src/codec/skim-v8.js';
import { jsonSerializer, keyvSerializer, LimitError, msgpackSerializer, OptionError, v8Serializer } from '../../src/index.js';
import { onBytes } from '../support/codec.js';
import { rejection } from '../support/open.js';

const counts = (text: string): Counts => skimJson(text, () => {});

/** The containers and strings of a value, names left out, which are counted by the sequences that they make. */
function inValue(value: unknown): { containers: number; strings: number; names: number } {
  let [containers, strings, names] = [0, 0, 0];
  const open = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'string') strings++;
    if (typeof next !== 'object' || next === null) continue;
    containers++;
    if (!Array.isArray(next)) names += Object.keys(next).length;
    open.push(...Object.values(next));
  }
  return { containers, strings, names };
}

describe('what is counted before it is parsed', () => {
  it('is what JSON.parse makes, for any value and any white space', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('', ' ', '\t', '\n  '), (value, space) => {
        const { containers, strings } = counts(JSON.stringify(value, null, space));
        expect(inValue(JSON.parse(JSON.stringify(value)))).to.include({ containers, strings });
      }),
      { numRuns: 500 },
    );
  });

  it('skips what stands in strings, however it is escaped', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('"', '\\', '[', '{', ',', ':', '\u0000', '🔑', 'a')), (parts) => {
        expect(counts(JSON.stringify([parts.join('')]))).to.deep.include({ containers: 1, strings: 1, places: 0 });
      }),
      { numRuns: 500 },
    );
  });

  it('ends on any text, JSON or not', () => {
    const part = fc.constantFrom('"', '\\', '[', ']', '{', '}', ',', ':', ' ', 'a');
    fc.assert(fc.property(fc.array(part), (parts) => void counts(parts.join(''))));
  });

  it('tells objects of the same members from those of others', () => {
    const rows = (name: (i: number) => string): string => JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ id: i, [name(i)]: 1 })));
    expect(counts(rows(() => 'same')).shapes).to.equal(2);
    expect(counts(rows((i) => `other${i}`)).shapes).to.equal(101);
    const names = (length: number): Counts => counts(JSON.stringify(Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, 1]))));
    // V8 makes a table of more than that, which has no shape.
    expect(names(1020)).to.include({ shapes: 1020, strings: 0 });
    expect(names(1030)).to.include({ shapes: 1020, strings: 20 });
  });

  it('is at least what v8 makes, and any value of it passes', () => {
    const value = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
    });
    fc.assert(
      fc.property(value, (some) => {
        skimV8(serialize(some), () => {});
        const { containers } = skimV8(serialize([{}, [some]]), () => {});
        expect(containers).to.be.at.least(3);
      }),
      { numRuns: 2000 },
    );
    const errors = [new Error('x'), new RangeError('y', { cause: { a: new Error('z', { cause: [1] }) } }), /a/g, Object('s'), Object(5n)];
    const views = [Buffer.from('bytes'), new Uint16Array(3), new DataView(new ArrayBuffer(8)), new ArrayBuffer(3), '\u{1f511}', 'ÿ', 'ü🔑'];
    for (const some of [errors, views, [...errors, ...views, 'end'], new Map([[errors, views]])]) {
      expect(skimV8(serialize(some), () => {}).containers).to.be.at.least(some instanceof Map ? 3 : some.length);
    }
  });

  it('is at least what msgpackr makes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { containers, strings, names } = inValue(value);
        const skimmed = skimMsgpack(msgpackr.pack(value) as Buffer, () => {});
        expect(skimmed.containers).to.be.at.least(containers);
        expect(skimmed.strings).to.be.at.most(strings + names + 1);
      }),
    );
  });
});

const wide = {
  objects: `[${'{},'.repeat(100_000)}{}]`,
  arrays: `[${'[],'.repeat(100_000)}[]]`,
  depth: '['.repeat(110_000) + ']'.repeat(110_000),
  numbers: `[${'1,'.repeat(1_000_001)}1]`,
  strings: `[${'"",'.repeat(500_001)}""]`,
  names: `{${Array.from({ length: 252_000 }, (_, i) => `"${i.toString(36)}":1`).join()}}`,
  sequences: `[${Array.from({ length: 102_000 }, (_, i) => (i % 1020 === 0 ? `{"k${i}":1` : `"k${i}":1`) + (i % 1020 === 1019 ? '}' : '')).join()}]`,
};

describe('a value that holds too much', () => {
  const codec = (options: CodecOptions = {}) => createCodecs(options);
  const read = async (options: CodecOptions, stored: Buffer): Promise<unknown> => onBytes(codec(options).values).decode(stored);
  const readRaw = async (stored: Buffer): Promise<unknown> => onBytes(codec().raw).decode(stored);

  /** Large ones are decoded in later turns of the event loop. */
  async function refused(reading: Promise<unknown>, what = '`maxContainers`'): Promise<void> {
    const error = await rejection(reading);
    expect(error).to.be.an.instanceOf(LimitError).with.property('code', 'ERR_LIMIT');
    expect(error.message).to.contain(what);
  }

  for (const [what, text] of Object.entries(wide)) {
    it(`is refused in every form that text is stored in: ${what}`, async () => {
      for (const stored of [Buffer.from(text), frame('json', text), frame('keyv', text)]) {
        await refused(read({}, stored));
        expect(await read({ maxContainers: Number.POSITIVE_INFINITY }, stored)).to.be.an.instanceOf(Object);
      }
      for (const stored of [Buffer.from(text), frame('text', text), frame('utf16', Buffer.from(text, 'utf16le'), false)]) {
        await refused(readRaw(stored));
      }
    });
  }

  it('is not written either', () => {
    const value = JSON.parse(wide.objects);
    for (const serializer of [keyvSerializer, jsonSerializer, v8Serializer, msgpackSerializer(msgpackr)]) {
      expect(() => codec({ serializer }).values.encode(value), serializer.name as string).to.throw(LimitError);
    }
    expect(() => codec().raw.encode(wide.objects)).to.throw(LimitError);
    expect(() => codec({ maxValueSize: 10 }).values.encode('a string of more')).to.throw(LimitError, '`maxValueSize`, 10 bytes');
    expect(() => codec({ maxValueSize: 10 }).values.encode(Buffer.alloc(11))).to.throw(LimitError);
    expect(() => codec({ maxValueSize: 10 }).values.encode('üüüüü')).to.throw(LimitError);
  });

  it('is refused in the bytes of v8 and of msgpack', async () => {
    const header = Buffer.from([0xff, 15]);
    const array = (length: number): Buffer => Buffer.from([0x80 | (length & 127), 0x80 | ((length >> 7) & 127), (length >> 14) & 127]);
    const v8s = {
      objects: Buffer.concat([header, Buffer.from('A'), array(200_000), Buffer.from('o{\0'.repeat(200_000), 'latin1')]),
      'a sparse array': Buffer.concat([header, Buffer.from([0x61, 0x80, 0x80, 0x80, 0x08, 0x40, 0, 0x80, 0x80, 0x80, 0x08])]),
      'sparse arrays': Buffer.concat([header, Buffer.from('A'), array(5000), Buffer.from('a\xff\x07@\0\xff\x07'.repeat(5000), 'latin1')]),
      maps: Buffer.concat([header, Buffer.from('A'), array(200_000), Buffer.from(';:\0'.repeat(200_000), 'latin1')]),
    };
    for (const bytes of Object.values(v8s)) {
      await refused(read({ readable: [v8Serializer] }, frame('v8', bytes)), '');
    }
    const msgpacks = { maps: Buffer.alloc(200_000, 0x80), 'an array': Buffer.from([0xdd, 0x10, 0, 0, 0]) };
    for (const bytes of Object.values(msgpacks)) {
      await refused(read({ readable: [msgpackSerializer(msgpackr)] }, frame('msgpack', bytes)), '');
    }
  });

  it('is one that is larger than `maxValueSize`', async () => {
    await refused(read({ maxValueSize: 10 }, Buffer.from(JSON.stringify('x'.repeat(9)))), '`maxValueSize`, 10 bytes');
    expect(await read({ maxValueSize: 11 }, Buffer.from(JSON.stringify('x'.repeat(9))))).to.equal('x'.repeat(9));
  });

  it('is bounded by options that make sense', () => {
    for (const maxContainers of [0, -1, 1.5, Number.NaN, '5', null] as never[]) {
      expect(() => codec({ maxContainers })).to.throw(OptionError, 'expected `maxContainers` to be an integer ≥ 1, or Infinity');
    }
    for (const maxValueSize of [0, 1.5, Number.POSITIVE_INFINITY, '5', null] as never[]) {
      expect(() => codec({ maxValueSize })).to.throw(OptionError, 'expected `maxValueSize` to be an integer');
    }
    expect(() => codec({ readable: v8Serializer as never })).to.throw(OptionError, 'expected `readable` to be an array of serializers');
  });
});
