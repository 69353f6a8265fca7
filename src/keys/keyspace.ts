import { createHash } from 'node:crypto';
import { ArgumentError } from '../errors.js';
import { expected } from '../messages.js';
import { escapeGlob, globToRegExp } from './glob.js';

/** The mapping between the caller's keys and the keys in Redis ("wire keys"). Pure; one-to-one. */
export interface KeySpace {
  /** The wire key of a caller's key. */
  toRedisKey(key: string): string;
  /** The caller's key, or `undefined` where the wire key is not ours or cannot be turned back. */
  fromRedisKey(redisKey: string): string | undefined;
  /** How to scan for the keys of this space, those whose caller's key matches `pattern` or all. */
  scan(pattern?: string): Scan;
  /**
   * The key of a lease, a lock, or the counter of its fencing tokens, in the slot of the entry. `undefined` if no lease can be in that slot:
   * braces without a hash tag. Left out if a function of the user makes the keys.
   */
  siblingKey?(redisKey: string, kind: 'lease'): string | undefined;
  siblingKey?(redisKey: string, kind: 'lock' | 'fence'): string;
  /** Whether the wire key is none of an entry, but of what stands beside them: a lease, a lock, the generation of a tag. */
  isInternalKey?(redisKey: string): boolean;
  /** Whether the wire key belongs to this space, listable or not. */
  owns(redisKey: string): boolean;
  /** Where the generations of tags stand; left out where there is no place that a caller's key could not have. */
  readonly tags?: TagSpace;
  /** Set where the wire key may depend on more than the key, so that it has to be made each time. */
  readonly varies?: boolean;
}

/** The keys in which generations of tags stand: owned, so that `clear` deletes them too, and never listed. */
export interface TagSpace {
  toRedisKey(tag: string): string;
}

/** What SCAN is asked for, and a test of the caller's keys where the glob covers more than was asked. */
export interface Scan {
  readonly glob: string;
  readonly test?: (key: string) => boolean;
}

export interface KeySpaceShape {
  /** What our keys start with; `''` declares the whole database ours. */
  readonly prefix: string;
  /** A part of every key. */
  readonly version?: string | undefined;
  /** Between prefix and key: `:` for stores. A Keyv namespace has its own, `::` unless told otherwise (the keys of `@keyv/redis`). */
  readonly separator?: string;
  /** Store keys longer than 1 KiB under a SHA-256 digest. */
  readonly hashLongKeys?: boolean | undefined;
}

/** Wire keys longer than this are hashed under `hashLongKeys`, in bytes. */
export const longKey = 1024;

/**
 * `prefix:key`, or `prefix@version:key`. In prefix and version the characters `%`, `@`, `#` and `:` are percent-encoded
 * (with another separator: its characters, if the prefix could be mistaken for it), so that the first separator always ends
 * the head and every caller's key can follow as it is. `prefix#…` holds the keys that cannot be written as they are.
 */
export function keySpace(shape: KeySpaceShape): KeySpace {
  const { prefix, version, separator = ':', hashLongKeys = false } = shape;
  const encoded = encodePrefix(prefix, separator);
  const head = version === undefined ? encoded : `${encoded}@${encodePart(version)}`;
  // The whole database is ours: the keys in it are the caller's own, as redis-yet and @keyv/redis write them.
  const bare = head === '';
  const start = head + separator;
  const special = `${head}#`;

  const locks = [`${special}k:`, `${special}f:`];

  /** Whether a key can stand in a database of ours as it is. */
  const unlikeOurs = (key: string): boolean => !/^[:@#]/.test(key) && !key.startsWith(separator);

  function plain(key: string): string {
    return bare && unlikeOurs(key) ? key : start + key;
  }

  function toRedisKey(key: string): string {
    if (typeof key !== 'string') throw new ArgumentError(expected('key', 'a string', key));
    // Lone surrogates all become U+FFFD in UTF-8; hexadecimal UTF-16 keeps such keys apart.
    let redisKey = key.isWellFormed() ? plain(key) : `${special}u:${utf16(key).toString('hex')}`;
    if (hashLongKeys && redisKey.length > longKey / 4 && Buffer.byteLength(redisKey) > longKey) {
      redisKey = `${special}h:${createHash('sha256').update(utf16(key)).digest('base64url')}`;
    }
    return redisKey;
  }

  function fromRedisKey(redisKey: string): string | undefined {
    if (redisKey.startsWith(start)) return redisKey.slice(start.length);
    if (redisKey.startsWith(`${special}u:`)) return Buffer.from(redisKey.slice(special.length + 2), 'hex').toString('utf16le');
    return bare && unlikeOurs(redisKey) ? redisKey : undefined;
  }

  return {
    toRedisKey,
    fromRedisKey,
    siblingKey: ((redisKey, kind) => siblingKey(special, redisKey, kind)) as NonNullable<KeySpace['siblingKey']>,
    isInternalKey: (redisKey) => redisKey.startsWith(special) && /^[tlkf]:/.test(redisKey.slice(special.length, special.length + 2)),
    tags: { toRedisKey: (tag) => `${special}t:${tag}` },
    owns(redisKey) {
      // Emptying the cache releases no lock.
      if (redisKey.startsWith(special) && locks.some((lock) => redisKey.startsWith(lock))) return false;
      return bare || redisKey.startsWith(start) || redisKey.startsWith(special);
    },
    scan(pattern) {
      if (bare) return pattern === undefined ? { glob: '*' } : filtered('*', pattern);
      if (pattern === undefined || pattern === '*') return { glob: `${escapeGlob(head)}[${escapeGlob(separator[0] as string)}#]*` };
      return { glob: escapeGlob(start) + pattern };
    },
  };
}

/** Every version of a prefix, for `clear({ allVersions: true })`. */
export function allVersions(prefix: string): Pick<KeySpace, 'scan' | 'owns'> {
  const head = encodePart(prefix);
  return {
    scan: () => ({ glob: head === '' ? '*' : `${escapeGlob(head)}[:@#]*` }),
    owns(redisKey) {
      if (!redisKey.startsWith(head) || /^#[kf]:/.test(redisKey.slice(head.length, head.length + 3))) return false;
      return head === '' || ':@#'.includes(redisKey[head.length] ?? ' ');
    },
  };
}

/** The key space in use. A Keyv namespace decides it after the commands were made, and events and traces name keys by it. */
export interface KeyNames {
  space: KeySpace;
}

/** The caller's key for an event or a trace. `undefined` if `parseKey` fails: a failing name must not fail the operation. */
export function keyName(space: Pick<KeySpace, 'fromRedisKey'>, redisKey: string): string | undefined {
  try {
    return space.fromRedisKey(redisKey);
  } catch {
    return undefined;
  }
}

/** The valid versions, in words and as a test. */
export const versions = 'a string that is not empty or an integer ≥ 0';
export function isVersion(version: unknown): version is string | number {
  if (typeof version === 'string') return version !== '' && version.isWellFormed();
  return Number.isSafeInteger(version) && (version as number) >= 0;
}

/** The letters of sibling keys in Redis. */
const siblings = { lease: 'l', lock: 'k', fence: 'f' } as const;

/** A key in the slot of the other, or, of locks, in one slot with the others of this lock. */
function siblingKey(special: string, redisKey: string, kind: keyof typeof siblings): string | undefined {
  const start = `${special}${siblings[kind]}:`;
  // A key without braces is its own hash tag; another one brings its tag along.
  const key = redisKey.includes('}') ? start + redisKey : `${start}{${redisKey}}`;
  if (hashTag(key) === hashTag(redisKey)) return key;
  // No wire key begins with `@{`, and what is in braces has none.
  return kind === 'lease' ? undefined : `${start}@{${redisKey.replace(/[{}%]/g, percent)}}`;
}

/** What the slot of a key depends on. */
function hashTag(redisKey: string): string {
  const open = redisKey.indexOf('{');
  const end = open < 0 ? -1 : redisKey.indexOf('}', open + 1);
  return end > open + 1 ? redisKey.slice(open + 1, end) : redisKey;
}

function encodePart(part: string): string {
  return part.replace(/[%@#:]/g, percent);
}

/** The separator must not occur in the encoded prefix, nor begin at its end. */
function encodePrefix(prefix: string, separator: string): string {
  const ambiguous = (prefix + separator).indexOf(separator) < prefix.length;
  const encode = (char: string): string => (/[%@#]/.test(char) || (ambiguous && separator.includes(char)) ? percent(char) : char);
  return Array.from(prefix, encode).join('');
}

function percent(char: string): string {
  return encodeURIComponent(char) === char ? `%${char.charCodeAt(0).toString(16).toUpperCase()}` : encodeURIComponent(char);
}

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le');
}

/** A scan for what matches one glob, filtered by another for the caller's keys. */
export function filtered(glob: string, pattern: string): Scan {
  const matches = globToRegExp(pattern);
  return { glob, test: (key) => matches.test(key) };
}
