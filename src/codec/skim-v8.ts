import { CodecError } from '../errors.js';
import { type CountCheck, type Counts, noCounts } from './skim-json.js';

/** How many plain objects the rest counts for: an ArrayBuffer, an Error or a RegExp takes that much more time and memory. */
const heavy = 5;

const code = (letter: string): number => letter.charCodeAt(0);
const codes = (letters: string): ReadonlySet<number> => new Set(Array.from(letters, code));

const [array, sparse, view, cause] = ['A', 'a', 'V', 'c'].map(code) as [number, number, number, number];
const begin = codes("oAa;'");
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
      this.#isCauseNext = false;
      this.#token();
      this.#check(this.#counts);
      while (!this.#isCauseNext && this.#causes.at(-1) === this.#open && this.#bytes[this.#at] !== view) {
        this.#causes.pop();
        this.#error();
      }
    }
    return this.#counts;
  }

  #token(): void {
    const letter = this.#byte();
    // Padding precedes a value.
    while (letter === 0 && this.#bytes[this.#at] === 0) this.#at++;
    if (letter === 0) {
      this.#token();
      return;
    }
    this.#counts.places++;
    if (begin.has(letter)) this.#begin(letter);
    else if (end.has(letter)) {
      this.#open--;
      this.#number();
      if (endOfArray.has(letter)) this.#number();
    } else if (numbered.has(letter)) this.#number();
    else if (doubles.has(letter)) this.#skip(8);
    else if (bigints.has(letter)) this.#skip((this.#number() & 0x7fffffff) >>> 1);
    else if (stringKinds.has(letter)) {
      this.#counts.strings++;
      this.#skip(this.#number());
    } else if (!bare.has(letter)) this.#special(letter);
  }

  #begin(letter: number): void {
    this.#counts.containers++;
    this.#open++;
    if (letter === sparse) this.#counts.places += this.#number();
    else if (letter === array) this.#number();
  }

  #special(letter: number): void {
    if (letter === view) {
      this.#skip(1);
      for (let i = 0; i < 3; i++) this.#number();
      return;
    }
    this.#counts.containers += heavy;
    const kind = String.fromCharCode(letter);
    if (kind === 's') this.#string();
    else if (kind === 'B') this.#skip(this.#number());
    else if (kind === 'r') this.#error();
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
