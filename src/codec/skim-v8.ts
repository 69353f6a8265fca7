import { CodecError } from '../errors.js';
import { indexIn, roomFor, tableRoom } from './indexes.js';
import { type CountCheck, type Counts, noCounts } from './skim-json.js';

/** How many plain objects the rest counts for: an ArrayBuffer, a view, an Error or a RegExp takes that much more time and memory. */
const heavy = 5;

const code = (letter: string): number => letter.charCodeAt(0);
const codes = (letters: string): ReadonlySet<number> => new Set(Array.from(letters, code));

const [object, array, sparse, view, cause] = ['o', 'A', 'a', 'V', 'c'].map(code) as [number, number, number, number, number];
const [signed, double] = ['I', 'N'].map(code) as [number, number];
const begin = codes("oAa;'");
const tables = codes(";'");
const end = codes('{@$:,');
/** The ends that tell two numbers: of members, and the length. */
const endOfArray = codes('@$');
const errorKinds = codes('ERFSTU');
const errorStrings = codes('ms');
const stringKinds = codes('"cS');
/** Nothing, one number, or a number of eight bytes behind the letter. */
const bare = codes('-_0TFyx');
const numbered = codes('IU^?');
const doubles = codes('NDn');
const bigints = codes('Zz');
/** A Date, and the objects around a number, a bigint and a boolean: each is an object, however small. */
const boxes = codes('Dnzxy');

/**
 * Counts what `v8.deserialize` would make of these bytes: a walk over the tokens of V8's format, without making a value. What it does not
 * know, it refuses, so that it can never lose its place.
 */
export function skimV8(bytes: Buffer, check: CountCheck): Counts {
  return new V8Skimmer(bytes, check).run();
}

class V8Skimmer {
  readonly #bytes: Buffer;
  readonly #check: CountCheck;
  readonly #counts = noCounts();
  /** How many containers are open when the `cause` of an Error begins, for each that is open. */
  readonly #causes: number[] = [];
  /** Whether the next value is a `cause`. */
  #isCauseNext = false;
  /** What was read in each container that is open: names and members in turn, from 0 on. */
  readonly #read: number[] = [];
  /** The highest index for which each of them has room. */
  readonly #tops: number[] = [];
  #at = 0;
  #open = 0;

  constructor(bytes: Buffer, check: CountCheck) {
    this.#bytes = bytes;
    this.#check = check;
  }

  run(): Counts {
    if (this.#byte() !== 0xff) this.#unknown();
    // Earlier versions have other strings and views.
    if (this.#number() < 14) this.#unknown();
    while (this.#at < this.#bytes.length) {
      const isCause = this.#isCauseNext;
      this.#isCauseNext = false;
      this.#token(isCause);
      this.#check(this.#counts);
      while (!this.#isCauseNext && this.#causes.at(-1) === this.#open && this.#bytes[this.#at] !== view) {
        this.#causes.pop();
        this.#error();
      }
    }
    return this.#counts;
  }

  /** `isPart`: of the value before, an Error, and no member of its own. */
  #token(isPart: boolean): void {
    const letter = this.#byte();
    // Padding precedes a value.
    while (letter === 0 && this.#bytes[this.#at] === 0) this.#at++;
    if (letter === 0) {
      this.#token(isPart);
      return;
    }
    this.#counts.places++;
    if (boxes.has(letter)) this.#counts.containers++;
    const isName = !isPart && !end.has(letter) && letter !== view && this.#isName();
    const start = this.#at;
    if (begin.has(letter)) this.#begin(letter);
    else if (end.has(letter)) {
      this.#open--;
      this.#read.pop();
      this.#tops.pop();
      this.#number();
      if (endOfArray.has(letter)) this.#number();
    } else if (numbered.has(letter)) this.#number();
    else if (doubles.has(letter)) this.#skip(8);
    else if (bigints.has(letter)) this.#skip((this.#number() & 0x7fffffff) >>> 1);
    else if (stringKinds.has(letter)) {
      this.#counts.strings++;
      this.#skip(this.#number());
    } else if (!bare.has(letter)) this.#special(letter);
    if (isName) this.#name(letter, start);
  }

  /** Whether the value that begins is the name of a member. */
  #isName(): boolean {
    const last = this.#read.length - 1;
    const read = this.#read[last];
    if (read === undefined) return false;
    this.#read[last] = read + 1;
    return read >= 0 && read % 2 === 0;
  }

  #name(letter: number, start: number): void {
    const next = this.#at;
    // Most names: they end with no digit, nor with the zero of a character of two bytes.
    if ((this.#bytes[next - 1] as number) > 0x39 && stringKinds.has(letter)) return;
    this.#at = start;
    let index = -1;
    if (numbered.has(letter)) index = letter === signed ? this.#number() / 2 : this.#number();
    else if (letter === double) index = this.#bytes.readDoubleLE(start);
    else if (stringKinds.has(letter)) {
      this.#number();
      index = indexIn(this.#bytes, this.#at, next);
    }
    this.#at = next;
    const last = this.#tops.length - 1;
    const top = this.#tops[last] as number;
    this.#counts.room += roomFor(index, top);
    this.#tops[last] = Math.max(index, top);
  }

  #begin(letter: number): void {
    this.#counts.containers++;
    if (tables.has(letter)) this.#counts.room += tableRoom;
    this.#open++;
    const length = letter === array || letter === sparse ? this.#number() : 0;
    // V8 makes an array of this length at once, even of a sparse one with up to 32 Mi elements.
    this.#counts.reserved += length;
    this.#tops.push(length);
    const hasNames = letter === object || letter === array || letter === sparse;
    this.#read.push(hasNames ? (letter === array ? -length : 0) : Number.NEGATIVE_INFINITY);
  }

  #special(letter: number): void {
    this.#counts.containers += heavy;
    if (letter === view) {
      this.#skip(1);
      for (let i = 0; i < 3; i++) this.#number();
      return;
    }
    const kind = String.fromCharCode(letter);
    if (kind === 's') this.#string();
    else if (kind === 'B') this.#skip(this.#number());
    else if (kind === '~') {
      // A buffer that may grow: the range of addresses is taken at once, the memory is not.
      const size = this.#number();
      this.#counts.reserved += this.#number() >>> 6;
      this.#skip(size);
    } else if (kind === 'r') this.#error();
    else if (kind === 'R') {
      this.#string();
      this.#number();
    } else if (kind === '\\') {
      // Node's own: a kind of view, and its bytes.
      this.#number();
      this.#skip(this.#number());
    } else this.#unknown();
  }

  /** The parts of an Error. Letters mean something else in it, until its `cause` begins. */
  #error(): void {
    for (;;) {
      const letter = this.#byte();
      if (letter === code('.')) return;
      if (letter === cause) {
        this.#causes.push(this.#open);
        this.#isCauseNext = true;
        return;
      }
      if (errorStrings.has(letter)) this.#string();
      else if (!errorKinds.has(letter)) this.#unknown();
    }
  }

  #string(): void {
    let kind = this.#byte();
    while (kind === 0) kind = this.#byte();
    if (!stringKinds.has(kind)) this.#unknown();
    this.#counts.strings++;
    this.#skip(this.#number());
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) this.#unknown();
    return this.#bytes[this.#at++] as number;
  }

  #skip(count: number): void {
    this.#at += count;
    if (this.#at > this.#bytes.length) this.#unknown();
  }

  /** A number in groups of seven bits, of 32 bits at most. */
  #number(): number {
    let result = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      result += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return result;
    }
    return this.#unknown();
  }

  #unknown(): never {
    throw new CodecError('the stored value is not in the format of v8 that this store reads');
  }
}
