import { roomUnit } from './skim-json.js';

/** Beyond such a gap V8 holds the members of an object in a table, which takes little. */
const maxGap = 1024;

/** The room of a new Map or Set: half of its hash table of 16 places, so that three short strings in it pay for the Set. */
export const tableRoom = 8 / roomUnit;

/**
 * The room that an object makes when its next member is at `index` and the highest so far at `top`: V8 makes room for all indexes between,
 * and half as much again.
 */
export function roomFor(index: number, top: number): number {
  return index > top ? Math.floor(Math.min(index - top, maxGap) / roomUnit) : 0;
}

const [zero, nine] = [0x30, 0x39];
/** No index has more digits. */
const maxDigits = 10;

/** The number that a name consists of, which is an index to V8; -1 for any other name. Of two bytes for a character, one is zero. */
export function indexIn(bytes: Buffer, from: number, to: number): number {
  if (to - from > 2 * maxDigits) return -1;
  let index = -1;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte === 0) continue;
    if (byte < zero || byte > nine) return -1;
    index = Math.max(index, 0) * 10 + byte - zero;
  }
  return index;
}
