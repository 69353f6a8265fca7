/** What was found in bytes or a text before any of it becomes a value. */
export interface Counts {
  /** Arrays, objects and other things that hold memory of their own. */
  containers: number;
  /** Members, elements and what else takes a place. */
  places: number;
  /** Places that are made at once, whether anything follows or not. */
  reserved: number;
  /** Room that is made and stays empty, in units of {@link roomUnit} places: below an index, and in a Map or Set. */
  room: number;
  /** Without the names of members, unless they are in a table: those of the first 1020 are counted by `shapes`. */
  strings: number;
  /** Objects whose members, in their order, differ from those of all before: each is a hidden class of its own to V8. */
  shapes: number;
}

/** How many places of empty room count as one place of a value. What a call may take is charged for all of them. */
export const roomUnit = 4;

/** Throws if the counts are beyond what may be read. Called again and again while they grow. */
export type CountCheck = (counts: Counts) => void;

export function noCounts(): Counts {
  return { containers: 0, places: 0, reserved: 0, room: 0, strings: 0, shapes: 0 };
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
const space = 0x20;

/** V8 holds the members of a larger object in a table. A name in it takes twice the time of another string. */
const maxShape = 1020;
const tableName = 2;

/** `:base64:`, of which any character may be escaped. */
const bufferMark = new RegExp(Array.from(':base64:', (char) => `(?:${char}|\\\\u00${char.charCodeAt(0).toString(16)})`).join(''), 'iy');

/** The hash of a path is this long, so that a Set holds it without a heap number. */
const hashBits = 0x3fffffff;
/** Differs by process, so that names cannot be chosen to collide. */
const seed = Math.trunc(Math.random() * hashBits) | 1;

/**
 * Counts what JSON.parse would make of a text, in about a nanosecond for each character. It checks nothing else: a text that is no JSON
 * is left to the parser.
 */
export function skimJson(text: string, check: CountCheck): Counts {
  const counts = noCounts();
  const shapes = new Set<number>();
  /** The hash of the names so far, and how many there are, of every object that is open. */
  const paths: number[] = [];
  const sizes: number[] = [];
  let path = seed;
  let size = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      const end = endOfString(text, i + 1);
      if (!isName(text, end + 1)) {
        counts.strings++;
        if (isBuffer(text, i + 1)) counts.containers++;
      } else if (++size > maxShape) counts.strings += tableName;
      else {
        path = hash(text, i + 1, end, path);
        shapes.add(path);
        counts.shapes = shapes.size;
      }
      i = end;
      check(counts);
    } else if (code === comma) {
      counts.places++;
    } else if (code === openArray || code === openObject) {
      counts.containers++;
      paths.push(path);
      sizes.push(size);
      path = seed;
      size = 0;
      check(counts);
    } else if (code === closeArray || code === closeObject) {
      path = paths.pop() ?? seed;
      size = sizes.pop() ?? 0;
    }
  }
  check(counts);
  return counts;
}

/** Where the string ends whose content begins at `start`. */
function endOfString(text: string, start: number): number {
  const end = text.indexOf('"', start);
  if (end < 0) return text.length;
  if (text.charCodeAt(end - 1) !== backslash) return end;
  // A string may consist of nothing but escaped quotes: a search for each would take long.
  let i = start;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) return i;
    if (code === backslash) i++;
  }
  return i;
}

/** Whether a colon follows: the string before it is the name of a member. */
function isName(text: string, from: number): boolean {
  let i = from;
  while (text.charCodeAt(i) <= space) i++;
  return text.charCodeAt(i) === colon;
}

/** Whether `@keyv/serialize` makes a Buffer of the string that begins here. */
function isBuffer(text: string, start: number): boolean {
  const first = text.charCodeAt(start);
  if (first !== colon && first !== backslash) return false;
  bufferMark.lastIndex = start;
  return bufferMark.test(text);
}

function hash(text: string, from: number, to: number, path: number): number {
  let sum = Math.imul(path ^ (to - from), 0x9e3779b1);
  for (let i = from; i < to; i++) {
    sum = Math.imul(sum ^ text.charCodeAt(i), seed);
    sum ^= sum >>> 15;
  }
  return sum & hashBits;
}
