import zlib from 'node:zlib';
import fc from 'fast-check';
import { frame } from '../../src/codec/entry.js';

/** What of one kind fills about this many bytes, as text, or as bytes of a format. */
type Fill = (size: number) => string | Buffer;

const times = (part: string, size: number): string => part.repeat(Math.max(1, Math.floor(size / part.length)));
const numbered = (size: number, part: (i: number) => string): string =>
  Array.from({ length: Math.max(1, Math.floor(size / (part(1e5).length + 1))) }, (_, i) => part(i)).join();
const varint = (count: number): Buffer => {
  const bytes: number[] = [];
  for (let rest = count; rest > 0; rest >>>= 7) bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
  return Buffer.from(bytes);
};
const v8List = (part: string, size: number): Buffer => {
  const count = Math.max(1, Math.floor(size / part.length));
  return Buffer.concat([
    Buffer.from('\xff\x0fA', 'latin1'),
    varint(count),
    Buffer.from(part.repeat(count), 'latin1'),
    Buffer.from('$\0'),
    varint(count),
  ]);
};

const msgpackList = (part: string, size: number): Buffer => {
  const list = Buffer.from(`\xdd\0\0\0\0${part.repeat(Math.max(1, Math.floor(size / part.length)))}`, 'latin1');
  list.writeUInt32BE(Math.max(1, Math.floor(size / part.length)), 1);
  return list;
};

const texts: Record<string, Fill> = {
  objects: (size) => `[${times('{},', size)}0]`,
  arrays: (size) => `[${times('[],', size)}0]`,
  depth: (size) => times('[', size / 2) + times(']', size / 2),
  'depth of objects': (size) => `${times('{"a":', size)}1${times('}', size / 5)}`,
  numbers: (size) => `[${times('1,', size)}0]`,
  doubles: (size) => `[${numbered(size, (i) => String(Math.sqrt(i + 2)))}]`,
  strings: (size) => `[${numbered(size, (i) => `"s${i}"`)}]`,
  names: (size) => `{${numbered(size, (i) => `"n${i}":1`)}}`,
  shapes: (size) => `[${numbered(size, (i) => `{"a${i}":1,"b${i}":2,"c${i}":3,"d${i}":4}`)}]`,
  orders: (size) => `[${numbered(size, (i) => `{"k${(i * 7) % 997}":1,"k${(i * 31) % 991}":1,"k${(i * 101) % 983}":1}`)}]`,
  quotes: (size) => `"${times('\\"', size)}"`,
  base64: (size) => `[${times('":base64:AAAA",', size)}0]`,
  indexes: (size) => `[${times('{"1023":0},', size)}0]`,
  'escaped base64': (size) => `[${times('"\\u003abase64:AAAA",', size)}0]`,
  colons: (size) => `[${times('"::",', size)}0]`,
  digits: (size) => times('9', size),
  text: (size) => `"${times('x', size)}"`,
};

const bytes: Record<string, Fill> = {
  'v8+objects': (size) => v8List('o{\0', size),
  'v8+maps': (size) => v8List(';:\0', size),
  'v8+dates': (size) => v8List('D\0\0\0\0\0\0\0\0', size),
  'v8+buffers': (size) => v8List('\\\x0a\x01x', size),
  'v8+patterns': (size) => v8List('R"\x01a\0', size),
  'v8+errors': (size) => v8List('r.', size),
  'v8+sparse': (size) => v8List('a\x80\x80\x80\x08@\0\x80\x80\x80\x08', Math.min(size, 1000)),
  'v8+lengths': (size) =>
    Buffer.concat([
      Buffer.from('\xff\x0f', 'latin1'),
      ...Array(50).fill(Buffer.concat([Buffer.from('A'), varint(size)])),
      Buffer.alloc(size, 0x30),
    ]),
  'v8+indexes': (size) => v8List('oU\xff\x070{\x01', size),
  'v8+shapes': (size) => v8List('o"\x01a0"\x01b0{\x02', size),
  'v8+strings': (size) => v8List('"\x02ab', size),
  'msgpack+maps': (size) => Buffer.alloc(size, 0x80),
  'msgpack+indexes': (size) => msgpackList('\x81\xcd\x03\xff\0', size),
  'msgpack+sets': (size) => msgpackList('\xd4\x73\0\x90', size),
  'msgpack+pointers': (size) => Buffer.from(`\x92\xd6\x69\0\0\0\x01${'\x91'.repeat(size >> 1)}\xd6\x70\0\0\0\x01`, 'latin1'),
  'msgpack+depth': (size) => Buffer.alloc(size, 0x91),
  'msgpack+length': () => Buffer.from([0xdd, 0x10, 0, 0, 0]),
  'msgpack+nils': (size) => Buffer.concat([Buffer.from([0xdd, 0, size >> 16, (size >> 8) & 255, size & 255]), Buffer.alloc(size, 0xc0)]),
  'bytes+zeros': (size) => Buffer.alloc(size),
};

const packs: Record<string, (content: Buffer) => Buffer> = {
  gzip: (content) => zlib.gzipSync(content, { level: 1 }),
  brotli: (content) => zlib.brotliCompressSync(content, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
  members: (content) => Buffer.concat([zlib.gzipSync(content, { level: 1 }), zlib.gzipSync(content, { level: 1 })]),
};

/** Hostile entries, the same for the same seed: of each kind, size and compression, alone and behind headers. Each is made when it is called. */
export function hostileEntries(count: number, seed: number): (() => Buffer)[] {
  const kind = fc.constantFrom(...Object.keys(texts), ...Object.keys(bytes));
  // Few sizes, so that few have to be compressed.
  const size = fc.constantFrom(100, 10_000, 60_000, 190_000, 400_000, 2_000_000, 8_000_000, 20_000_000);
  const pack = fc.constantFrom('', 'gzip', 'brotli', 'members');
  const header = fc.constantFrom(0, 0, 0, 1, 900, 100_000);
  // Without the headers: with them they would be gigabytes.
  const known = new Map<string, Buffer>();
  const of = (kind: string, size: number, pack: string): Buffer => {
    // Redis takes what is not compressed, too: less of it.
    const wanted = pack === '' ? Math.min(size, 400_000) : size;
    const name = [kind, wanted, pack].join();
    const entry = known.get(name) ?? entryOf(kind, wanted, pack);
    known.set(name, entry);
    return entry;
  };
  const made = fc.tuple(kind, size, pack, header).map(
    ([kind, size, pack, tags]) =>
      () =>
        withTags(of(kind, size, pack), tags),
  );
  return fc.sample(made, { numRuns: count, seed });
}

function entryOf(kind: string, size: number, pack: string): Buffer {
  const content = texts[kind]?.(size) ?? (bytes[kind] as Fill)(size);
  const layer = texts[kind] ? (size % 3 === 1 ? 'json' : 'keyv') : (kind.split('+')[0] as string);
  if (pack === '') return texts[kind] ? Buffer.from(content as string) : frame(layer, content);
  const packed = (packs[pack] as (content: Buffer) => Buffer)(Buffer.from(content as string));
  return frame(`${layer}+${pack === 'members' ? 'gzip' : pack}`, packed, typeof content === 'string');
}

function withTags(entry: Buffer, count: number): Buffer {
  if (count === 0) return entry;
  const list = JSON.stringify(Array.from({ length: 2 * count }, (_, i) => i.toString(36)));
  return Buffer.concat([Buffer.from('\xc1tags\0', 'latin1'), Buffer.from(`${list}\0`), entry]);
}
