import { CodecError } from '../errors.js';
import { indexIn, roomFor, tableRoom } from './indexes.js';
import { type CountCheck, type Counts, noCounts } from './skim-json.js';

/** How many bytes follow the types CA to D3. */
const fixed: Readonly<Record<number, number>> = { 202: 4, 203: 8, 204: 1, 205: 2, 206: 4, 207: 8, 208: 1, 209: 2, 210: 4, 211: 8 };
/** Strings and bytes with a length in front, of this many bytes. */
const sized: Readonly<Record<number, number>> = { 196: 1, 197: 2, 198: 4, 217: 1, 218: 2, 219: 4 };
/** Extensions: the bytes of their length, or how many bytes they have. */
const sizedExtensions: Readonly<Record<number, number>> = { 199: 1, 200: 2, 201: 4 };
const fixedExtensions: Readonly<Record<number, number>> = { 212: 1, 213: 2, 214: 4, 215: 8, 216: 16 };
/** Arrays and maps, and the bytes of their length. */
const long: Readonly<Record<number, number>> = { 220: 2, 221: 4, 222: 2, 223: 4 };

/** Extensions of msgpackr, and the one of MessagePack itself. */
const [pointer, record, set, timestamp] = [0x70, 0x72, 0x73, 0xff];
/** Those behind which a value follows that is a part of theirs: bundled strings, an Error, an id, a RegExp. */
const prefixes: ReadonlySet<number> = new Set([0x62, 0x65, 0x69, 0x78]);

/** Counts what a reader of MessagePack would make of these bytes, msgpackr with its extensions above all. */
export function skimMsgpack(bytes: Buffer, check: CountCheck): Counts {
  return new MsgpackSkimmer(bytes, check).run();
}

class MsgpackSkimmer {
  readonly #bytes: Buffer;
  readonly #check: CountCheck;
  readonly #counts = noCounts();
  /** How many members the records have that were defined so far. */
  readonly #records = new Map<number, number>();
  #at = 0;

  constructor(bytes: Buffer, check: CountCheck) {
    this.#bytes = bytes;
    this.#check = check;
  }

  run(): Counts {
    while (this.#at < this.#bytes.length) this.#value();
    return this.#counts;
  }

  /** Skips a value with all that is in it, as deep in calls as the reader is. Its index, if it is a number or a text of one. */
  #value(): number {
    const type = this.#bytes[this.#at++] as number;
    this.#counts.places++;
    this.#check(this.#counts);
    if (type < 0x80) return this.#small(type);
    if (type < 0x90) return this.#map(type & 0x0f);
    if (type < 0xa0) return this.#array(type & 0x0f);
    if (type < 0xc0) return this.#string(type & 0x1f);
    if (long[type] !== undefined) return type < 222 ? this.#array(this.#uint(long[type])) : this.#map(this.#uint(long[type]));
    if (sized[type] !== undefined) return this.#string(this.#uint(sized[type]));
    if (fixed[type] !== undefined) return this.#number(type, fixed[type]);
    if (sizedExtensions[type] !== undefined) this.#extension(this.#uint(sizedExtensions[type]));
    else if (fixedExtensions[type] !== undefined) this.#extension(fixedExtensions[type]);
    // A string that was bundled: where it is follows.
    else if (type === 0xc1) this.#values(1);
    return -1;
  }

  /** A number, or a record that was defined before. */
  #small(type: number): number {
    const members = this.#records.get(type & 0x3f);
    if (type < 0x40 || members === undefined) return type;
    this.#counts.containers++;
    this.#values(members);
    return -1;
  }

  #map(members: number): number {
    this.#counts.containers++;
    let top = 0;
    for (let i = 0; i < members && this.#at < this.#bytes.length; i++) {
      const index = this.#value();
      this.#counts.room += roomFor(index, top);
      top = Math.max(index, top);
      this.#values(1);
    }
    return -1;
  }

  #array(length: number): number {
    this.#counts.containers++;
    // Readers make an array of this length at once.
    this.#counts.reserved += length;
    this.#check(this.#counts);
    this.#values(length);
    return -1;
  }

  #values(count: number): void {
    for (let i = 0; i < count && this.#at < this.#bytes.length; i++) this.#value();
  }

  #string(length: number): number {
    this.#counts.strings++;
    this.#at += length;
    return indexIn(this.#bytes, this.#at - length, Math.min(this.#at, this.#bytes.length));
  }

  #number(type: number, size: number): number {
    const start = this.#at;
    if (start + size > this.#bytes.length) this.#at = this.#bytes.length;
    else this.#at += size;
    if (this.#at !== start + size) return -1;
    if (type === 202) return this.#bytes.readFloatBE(start);
    if (type === 203) return this.#bytes.readDoubleBE(start);
    return size === 8 ? Number(this.#bytes.readBigUInt64BE(start)) : this.#bytes.readUIntBE(start, size);
  }

  #extension(length: number): void {
    const type = this.#bytes[this.#at++] as number;
    const id = this.#bytes[this.#at] as number;
    this.#at += length;
    this.#counts.strings++;
    if (type === timestamp) this.#counts.containers++;
    if (type === set) this.#counts.room += tableRoom;
    if (type === record) this.#record(id & 0x3f);
    else if (type === set && !this.#isArrayNext()) this.#refuse('a Set that was not made of an array');
    // What it points to can be copied, as often as there are pointers.
    else if (type === pointer) this.#refuse('values that are in it twice, as `structuredClone` of msgpackr writes them');
    else if (type === set || prefixes.has(type)) this.#values(1);
  }

  /** The names of its members, and those of the first record. */
  #record(id: number): void {
    const before = this.#counts.reserved;
    this.#counts.containers++;
    this.#values(1);
    // Names are strings, so that no other array is among them.
    const members = this.#counts.reserved - before;
    this.#records.set(id, members);
    this.#values(members);
  }

  #isArrayNext(): boolean {
    const type = this.#bytes[this.#at] as number;
    return (type >= 0x90 && type < 0xa0) || type === 220 || type === 221;
  }

  #uint(size: number): number {
    const start = this.#at;
    this.#at += size;
    return this.#at <= this.#bytes.length ? this.#bytes.readUIntBE(start, size) : 0;
  }

  #refuse(what: string): never {
    throw new CodecError(`the stored value holds ${what}: this store does not read them`);
  }
}
