import { type CountCheck, type Counts, noCounts } from './skim-json.js';

/** How many bytes follow the types C0 to DF, length included where it is fixed. */
const fixed: Readonly<Record<number, number>> = {
  ...{ 202: 4, 203: 8, 204: 1, 205: 2, 206: 4, 207: 8, 208: 1, 209: 2, 210: 4, 211: 8 },
  ...{ 212: 2, 213: 3, 214: 5, 215: 9, 216: 17 },
};
/** Types with a length in front, in this many bytes, and bytes more than that. */
const sized: Readonly<Record<number, readonly [length: number, more: number]>> = {
  ...{ 196: [1, 0], 197: [2, 0], 198: [4, 0], 199: [1, 1], 200: [2, 1], 201: [4, 1], 217: [1, 0], 218: [2, 0], 219: [4, 0] },
};
/** Arrays and maps, and the bytes of their length. */
const long: Readonly<Record<number, number>> = { 220: 2, 221: 4, 222: 2, 223: 4 };

/** Counts what a reader of MessagePack would make of these bytes. A record of msgpackr is one byte, which counts as a place. */
export function skimMsgpack(bytes: Buffer, check: CountCheck): Counts {
  const counts = noCounts();
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at++] as number;
    counts.places++;
    if (type >= 0x80 && type < 0xa0) counts.containers++;
    else if (type >= 0xa0 && type < 0xc0) at += type & 0x1f;
    else if (long[type] !== undefined) {
      const size = long[type];
      counts.containers++;
      // Readers make an array of this length at once.
      if (at + size <= bytes.length) counts.places += bytes.readUIntBE(at, size);
      at += size;
    } else if (sized[type]) {
      const [length, more] = sized[type];
      if (at + length <= bytes.length) at += bytes.readUIntBE(at, length);
      at += length + more;
    } else at += fixed[type] ?? 0;
    if (type >= 0xa0 && type < 0xdc && type !== 0xc0 && type !== 0xc2 && type !== 0xc3 && (type < 0xca || type > 0xd3)) counts.strings++;
    check(counts);
  }
  return counts;
}
