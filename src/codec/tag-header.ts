import { contentOf } from './aging.js';
import type { Stored } from './codec.js';
import { binaryMarker } from './frame.js';

/**
 * How an entry carries its tags: a frame around everything that would have been stored without them.
 *
 *     C1 "tags" 00   ["news","r0Zc…","user:1","Qm3x…"]   00   what is stored without tags
 *
 * The list is JSON, in which no byte is 00: each tag, and the generation it had when the entry was written. The tag `''` is the
 * generation of the whole store, and comes first.
 */
export interface TagHeader {
  /** Each tag with its generation. */
  readonly stamps: Stamps;
  /** How many bytes the header takes, with what stands in front of it. */
  readonly length: number;
}

/** Tags and their generations. */
export type Stamps = ReadonlyMap<string, string>;

const start = Buffer.from('?tags\0', 'latin1');
/** Second byte of the frame of an entry that ages, which stands in front of the tags. */
const aging = 0x73;
start[0] = binaryMarker;

/** The name of the layer, which no serializer may have. */
export const tagLayer = 'tags';

/** Whether the bytes begin as an entry with tags does. */
export function isTagged(stored: Stored): stored is Buffer {
  // The first two bytes tell nearly all entries apart without a call.
  if (typeof stored === 'string' || stored[0] !== binaryMarker || (stored[1] !== start[1] && stored[1] !== aging)) return false;
  const content = contentOf(stored) as Buffer;
  return start.equals(content.subarray(0, start.length));
}

/** Puts the header in front of what is stored without tags. */
export function withTags(stamps: Stamps, stored: Stored): Buffer {
  const list = Buffer.from(`${JSON.stringify([...stamps].flat())}\0`);
  return Buffer.concat([start, list, typeof stored === 'string' ? Buffer.from(stored) : stored]);
}

/** The header in front of these bytes, `undefined` where they end before it does, or it is damaged. */
export function tagHeader(stored: Buffer): TagHeader | undefined {
  const content = contentOf(stored) as Buffer;
  const end = content.indexOf(0, start.length);
  if (end < 0) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(content.toString('utf8', start.length, end));
  } catch {
    return undefined;
  }
  if (!Array.isArray(list) || list.length % 2 !== 0 || !list.every((part) => typeof part === 'string')) return undefined;
  const stamps = new Map<string, string>();
  for (let i = 0; i < list.length; i += 2) stamps.set(list[i] as string, list[i + 1] as string);
  return { stamps, length: stored.length - content.length + end + 1 };
}

/** The bytes that say what the value is, whether its tags still count or not. */
export function bodyOf(stored: Stored): Stored {
  const header = isTagged(stored) ? tagHeader(stored) : undefined;
  return header ? (stored as Buffer).subarray(header.length) : contentOf(stored);
}
