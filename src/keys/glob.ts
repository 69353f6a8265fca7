/** Redis's glob-style patterns: `*`, `?`, `[abc]`, `[^a]`, `[a-c]`, and `\` to take a character literally. */

const special = /[\\*?[\]^-]/g;

/** A pattern that matches exactly this text. */
export function escapeGlob(text: string): string {
  return text.replace(special, '\\$&');
}

/** Longer patterns are refused: the time that matching takes grows with the length of the pattern, here and in Redis. */
export const maxPatternLength = 512;

/** What one character of a text has to be. */
interface Place {
  /** Pairs of first and last character codes. */
  readonly ranges: readonly number[];
  readonly negated?: boolean;
}

/** Places with no `*` between them. */
type Part = readonly Place[];

/** Whether a text matches the pattern, as Redis's MATCH would say, for engines that run in this process. */
export function globMatcher(pattern: string): (text: string) => boolean {
  const parts = parse(pattern);
  const first = parts[0] as Part;
  if (parts.length === 1) return (text) => text.length === first.length && isAt(first, text, 0);
  const last = parts.at(-1) as Part;
  const finders = parts.slice(1, -1).map(finder);
  const least = first.length + last.length;
  return (text) => {
    const end = text.length - last.length;
    if (text.length < least || !isAt(first, text, 0) || !isAt(last, text, end)) return false;
    let at = first.length;
    // The earliest place for a part leaves most for the others.
    for (const find of finders) {
      at = find(text, at, end);
      if (at < 0) return false;
    }
    return true;
  };
}

function matches({ ranges, negated = false }: Place, code: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) if ((ranges[i] as number) <= code && code <= (ranges[i + 1] as number)) return !negated;
  return negated;
}

function isAt(part: Part, text: string, from: number): boolean {
  return part.every((place, i) => matches(place, text.charCodeAt(from + i)));
}

/**
 * Finds a part in a text, in one pass that never goes back. Bit `i` of `state` says whether the first `i + 1` places match the characters
 * up to here. @returns the end of the first match, or -1
 */
function finder(part: Part): (text: string, from: number, end: number) => number {
  const words = Math.ceil(part.length / 32);
  const [lastWord, lastBit] = [words - 1, 1 << ((part.length - 1) % 32)];
  // Characters between two edges are alike.
  const edges = [...new Set(part.flatMap(({ ranges }) => ranges.map((code, i) => code + (i % 2))))].sort((a, b) => a - b);
  const byEdge: Int32Array[] = [];
  const ofAscii: Int32Array[] = [];

  /** The places that a character matches. */
  function maskOf(code: number): Int32Array {
    const edge = edgesUpTo(edges, code);
    const mask = byEdge[edge] ?? maskOfPart(part, code);
    byEdge[edge] = mask;
    if (code < 128) ofAscii[code] = mask;
    return mask;
  }

  return (text, from, end) => {
    const state = new Int32Array(words);
    // Words from here on are zero.
    let used = 1;
    for (let at = from; at < end; at++) {
      const code = text.charCodeAt(at);
      const mask = ofAscii[code] ?? maskOf(code);
      let shifted = 1;
      for (let i = 0; i < used; i++) {
        const before = state[i] as number;
        state[i] = ((before << 1) | shifted) & (mask[i] as number);
        shifted = before >>> 31;
      }
      if (shifted === 1 && used < words) {
        state[used] = (mask[used] as number) & 1;
        used++;
      }
      while (used > 1 && state[used - 1] === 0) used--;
      if (((state[lastWord] as number) & lastBit) !== 0) return at + 1;
    }
    return -1;
  };
}

function maskOfPart(part: Part, code: number): Int32Array {
  const mask = new Int32Array(Math.ceil(part.length / 32));
  for (const [i, place] of part.entries()) if (matches(place, code)) mask[i >> 5] = (mask[i >> 5] as number) | (1 << (i % 32));
  return mask;
}

/** How many of the sorted edges are not above the code. */
function edgesUpTo(edges: readonly number[], code: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as number) <= code) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The parts between the stars: one more than there are stars, of which those in the middle are not empty. */
function parse(pattern: string): Part[] {
  const parts: Place[][] = [[]];
  let part = parts[0] as Place[];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === '*') {
      if (part.length === 0 && parts.length > 1) continue;
      part = [];
      parts.push(part);
    } else if (char === '?') part.push({ ranges: [], negated: true });
    else if (char === '[') {
      const [place, end] = characterSet(pattern, i + 1);
      part.push(place);
      i = end;
    } else {
      if (char === '\\' && i + 1 < pattern.length) i++;
      const code = pattern.charCodeAt(i);
      part.push({ ranges: [code, code] });
    }
  }
  return parts;
}

/** A set without an end goes on to the end of the pattern. */
function characterSet(pattern: string, start: number): [place: Place, end: number] {
  const negated = pattern[start] === '^';
  const ranges: number[] = [];
  let i = negated ? start + 1 : start;
  for (; i < pattern.length && pattern[i] !== ']'; i++) {
    const isRange = pattern[i] !== '\\' && pattern[i + 1] === '-' && i + 2 < pattern.length;
    if (pattern[i] === '\\' && i + 1 < pattern.length) i++;
    const [from, to] = [pattern.charCodeAt(i), pattern.charCodeAt(isRange ? i + 2 : i)];
    ranges.push(Math.min(from, to), Math.max(from, to));
    if (isRange) i += 2;
  }
  return [{ ranges, negated }, i];
}
