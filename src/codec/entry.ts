import { LimitError } from '../errors.js';

/** The bytes of an entry, as they go to Redis and come back. */
export type Stored = string | Buffer;

/**
 * The self-describing format of stored bytes. Plain JSON is stored as it is. Everything else has a frame:
 *
 *     marker  layers  00  payload
 *
 * `marker` is C1 for a payload of bytes and C0 for UTF-8 text. Neither byte occurs in UTF-8, so no JSON begins with it. `layers` names the
 * serializer and the compression, if any, such as `v8` or `json+gzip`. An encrypted value has another frame around the bytes that it would
 * have without encryption: `aes256gcm:` and the id of the key.
 */
const binaryMarker = 0xc1;
const textMarker = 0xc0;

/** The valid names of serializers and compressions. */
export const layerName = /^[a-z0-9._-]{1,32}$/i;

export interface Frame {
  /** Whether the serializer returned text. */
  readonly text: boolean;
  readonly layers: string;
  readonly payload: Buffer;
}

/** Whether the bytes begin with a marker. */
export function isFramed(stored: Stored): boolean {
  return typeof stored !== 'string' && (stored[0] === binaryMarker || stored[0] === textMarker);
}

export function frame(layers: string, payload: Stored, text = typeof payload === 'string'): Buffer {
  const header = Buffer.from(`?${layers}\0`, 'latin1');
  header[0] = text ? textMarker : binaryMarker;
  return Buffer.concat([header, typeof payload === 'string' ? Buffer.from(payload) : payload]);
}

/** Parses a frame; `undefined` if the header is damaged. */
export function parseFrame(stored: Buffer): Frame | undefined {
  const end = stored.subarray(0, 2 + 2 * 33).indexOf(0);
  if (end < 2) return undefined;
  return { text: stored[0] === textMarker, layers: stored.toString('latin1', 1, end), payload: stored.subarray(end + 1) };
}

/** A Buffer over the same memory. */
export function asBuffer(view: ArrayBufferView): Buffer {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** The same bytes in memory of their own: not in the chunk that came from the network, nor in the pool that Node's small Buffers share. */
export function ownMemory(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** The tier that answered a read. */
export type Tier = 'near' | 'redis';

/** Tags, each with its generation when the entry was written. The tag `''` is the generation of the whole store and comes first. */
export type TagGenerations = ReadonlyMap<string, string>;

/** The answer of a tier that holds nothing under the key. */
export interface MissingEntry {
  readonly found: false;
  readonly tier: Tier;
}

/** The answer of a tier to a read. */
export type ReadEntry = StoredEntry | MissingEntry;

/** No entry, as Redis answers. */
export const missingInRedis: MissingEntry = { found: false, tier: 'redis' };
/** No entry, as the near tier answers. */
export const missingNearby: MissingEntry = { found: false, tier: 'near' };

/** How an entry ages that is served past its time to live, or refreshed before its end. */
export interface Aging {
  /** The last milliseconds of its time in Redis, during which it is stale. */
  readonly staleFor: number;
  /** How many milliseconds the function took that made the value. */
  readonly cost: number;
}

/** The name of the tag frame. No serializer may have it. */
export const tagLayer = 'tags';
/** How the name of the age frame begins. No serializer may have such a name. */
export const agingLayer = 'stale.';

/** The second byte of a frame with tags, and of one with an age: `t` and `s`. */
const tagsByte = 0x74;
const agingByte = 0x73;
const tagsStart = frame(tagLayer, Buffer.alloc(0));
/** An entry has this many tags at most, and a list of tags this many bytes. */
export const maxTags = 1000;
export const maxTagBytes = 64 * 1024;
/** Two numbers of at most 16 digits, and what surrounds them. */
const maxAgingHeader = 48;

const ageless: Aging = { staleFor: 0, cost: 0 };

/**
 * What a key holds. The header is parsed once, when the bytes arrive:
 *
 *     C1 "stale." STALEFOR "." COST 00   the age, if the entry ages
 *     C1 "tags" 00 JSON 00               a list of each tag and its generation, if it has tags
 *     payload                            the bytes of the value
 */
export class StoredEntry {
  // Declared and assigned once: a field that is defined before the constructor assigns it costs as much as all else here.
  declare readonly found: true;
  /** All bytes, header included. */
  declare readonly bytes: Stored;
  /** The bytes of the value. */
  declare readonly payload: Stored;
  declare readonly tier: Tier;
  /** See {@link Aging}; 0 for an entry that does not age. */
  declare readonly staleFor: number;
  /** See {@link Aging}. */
  declare readonly cost: number;
  /** Whether the entry carries tags. */
  declare readonly isTagged: boolean;
  /** `undefined` without tags, and if the list is damaged or cut off. */
  declare readonly tags: TagGenerations | undefined;
  /** How many bytes the payload has in Redis, if that was counted. */
  declare readonly size: number | undefined;

  /** Stays: if no instance did, each major garbage collection would drop the hidden class, and with it the code optimized for it. */
  static readonly kept = new StoredEntry('', '', 'redis', ageless, false);

  private constructor(bytes: Stored, payload: Stored, tier: Tier, aging: Aging, isTagged: boolean, tags?: TagGenerations, size?: number) {
    this.found = true;
    this.bytes = bytes;
    this.payload = payload;
    this.tier = tier;
    this.staleFor = aging.staleFor;
    this.cost = aging.cost;
    this.isTagged = isTagged;
    this.tags = tags;
    this.size = size;
  }

  /** Parses the header. The first two bytes tell an entry without one, which most are. */
  static parse(bytes: Stored, tier: Tier = 'redis', size?: number): StoredEntry {
    if (typeof bytes === 'string' || bytes[0] !== binaryMarker || (bytes[1] !== tagsByte && bytes[1] !== agingByte))
      return new StoredEntry(bytes, bytes, tier, ageless, false, undefined, size);
    const { aging, content } = parseAging(bytes);
    const isTagged = tagsStart.equals(content.subarray(0, tagsStart.length));
    const parsed = isTagged ? parseTags(content) : undefined;
    const payload = parsed ? content.subarray(parsed.length) : content;
    return new StoredEntry(bytes, payload, tier, aging, isTagged, parsed?.tags, size);
  }

  /** What precedes the payload; `undefined` if nothing does. */
  get header(): Buffer | undefined {
    const length = this.bytes.length - this.payload.length;
    return length === 0 ? undefined : (this.bytes as Buffer).subarray(0, length);
  }
}

/** The same answer without the entry, which does not count. */
export function asMissing({ tier }: ReadEntry): MissingEntry {
  return tier === 'near' ? missingNearby : missingInRedis;
}

/** What a key holds, as one answer of Redis or of a tier. */
export function readEntry(bytes: Stored | null | undefined): ReadEntry {
  return bytes === null || bytes === undefined ? missingInRedis : StoredEntry.parse(bytes);
}

/** Whether both hold the same bytes, or nothing. */
export function isSameEntry(one: ReadEntry, other: ReadEntry): boolean {
  if (!one.found || !other.found) return one.found === other.found;
  return one === other || Buffer.from(one.bytes as string).equals(Buffer.from(other.bytes as string));
}

/** What precedes the payload of an entry that ages or has tags; `undefined` for one that does neither. */
export function entryHeader(aging: Aging | undefined, tags: TagGenerations | undefined): Buffer | undefined {
  const list = tags && Buffer.concat([tagsStart, Buffer.from(`${JSON.stringify([...tags].flat())}\0`)]);
  if (list && list.length > tagsStart.length + maxTagBytes + 1)
    throw new LimitError(`the list of tags is longer than ${maxTagBytes} bytes`);
  return aging ? frame(`${agingLayer}${aging.staleFor}.${aging.cost}`, list ?? Buffer.alloc(0), false) : list;
}

/** The bytes of an entry. */
export function withHeader(header: Buffer | undefined, payload: Stored): Stored {
  return header === undefined ? payload : Buffer.concat([header, typeof payload === 'string' ? Buffer.from(payload) : payload]);
}

function parseAging(bytes: Buffer): { readonly aging: Aging; readonly content: Buffer } {
  if (bytes[1] === agingByte) {
    const end = bytes.subarray(0, maxAgingHeader).indexOf(0);
    const header = /^stale\.(\d{1,16})\.(\d{1,16})$/.exec(bytes.toString('latin1', 1, Math.max(1, end)));
    if (header) return { aging: { staleFor: Number(header[1]), cost: Number(header[2]) }, content: bytes.subarray(end + 1) };
  }
  return { aging: ageless, content: bytes };
}

/** The list at the start of these bytes, and where it ends. JSON holds no byte 00. */
function parseTags(bytes: Buffer): { readonly tags: TagGenerations; readonly length: number } | undefined {
  const end = bytes.subarray(0, tagsStart.length + maxTagBytes + 1).indexOf(0, tagsStart.length);
  if (end < 0) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString('utf8', tagsStart.length, end));
  } catch {
    return undefined;
  }
  if (!Array.isArray(list) || list.length % 2 !== 0 || list.length > 2 * (maxTags + 1) || !list.every((part) => typeof part === 'string'))
    return undefined;
  const tags = new Map<string, string>();
  for (let i = 0; i < list.length; i += 2) tags.set(list[i] as string, list[i + 1] as string);
  return { tags, length: end + 1 };
}
