import { createHash } from 'node:crypto';
import { ArgumentError } from '../errors.js';
import { expected } from '../messages.js';
import { escapeGlob, globMatcher } from './glob.js';
import { hashTag, withoutBrokenTag } from './hash-tag.js';

/** Maps the caller's keys to keys in Redis, one to one. Pure. */
export interface KeySpace {
  toRedisKey(key: string): string;
  /** The caller's key; `undefined` for a key of another space, and for one that cannot be turned back. */
  fromRedisKey(redisKey: string): string | undefined;
  /** How to scan for keys of this space: those whose caller's key matches `pattern`, or all. */
  scan(pattern?: string): Scan;
  /** The key of a lease, a lock, or a fencing counter. `undefined` if no lease can share the slot of the entry. Left out for custom keys. */
  siblingKey?(redisKey: string, kind: 'lease'): string | undefined;
  siblingKey?(redisKey: string, kind: 'lock' | 'fence'): string;
  /** Whether the key holds a lease, a lock or the generation of a tag, not an entry. */
  isInternalKey?(redisKey: string): boolean;
  /** Whether the key in Redis belongs to this space, listed by scans or not. */
  owns(redisKey: string): boolean;
  /** The keys of tag generations. `clear` deletes them, and scans never list them. Left out if a caller's key could be equal to one. */
  readonly tags?: { toRedisKey(tag: string): string };
  /** Whether every key of the database counts as one of this space. */
  readonly ownsAll?: boolean;
  /** Whether the key in Redis may depend on more than the caller's key, so that it cannot be remembered. */
  readonly varies?: boolean;
}

/** The pattern for SCAN, and a test of the caller's keys if the pattern matches too many. */
interface Scan {
  readonly glob: string;
  readonly test?: (key: string) => boolean;
}

interface KeySpaceShape {
  /** What keys in Redis start with. `''`: the whole database belongs to the store. */
  readonly prefix: string;
  /** A part of every key. */
  readonly version?: string | undefined;
  /** Between prefix and key: `:` for stores. A Keyv namespace has its own, by default `::`, as in `@keyv/redis`. */
  readonly separator?: string;
  /** Store keys longer than 1 KiB under a SHA-256 digest. */
  readonly hashLongKeys?: boolean | undefined;
}

/** The separator of Keyv namespaces, as in `@keyv/redis`. */
export const keyvSeparator = '::';

const colon = 58;

/** Keys longer than this are hashed under `hashLongKeys`, in bytes. */
const longKey = 1024;

/**
 * `prefix:key`, or `prefix@version:key`. Prefix and version are percent-encoded, so that the first separator ends them and every caller's
 * key can follow as it is. Keys that cannot be written as they are begin with `prefix#`, under Keyv with `prefix##`.
 */
export function keySpace(shape: KeySpaceShape): KeySpace {
  const { prefix, version, separator = ':', hashLongKeys = false } = shape;
  const encoded = withoutBrokenTag(encodePrefix(prefix, separator));
  const head = version === undefined ? encoded : `${encoded}@${encodePart(version).replace(/[{}]/g, percent)}`;
  // Without a prefix, keys in Redis are the caller's own, as redis-yet and @keyv/redis write them.
  const bare = head === '';
  const start = head + separator;
  const special = head + specialMark(separator);
  // What begins so is a key of the Keyv namespace of the same name, not of a store.
  const foreign = !bare && separator === ':' ? `${head}${keyvSeparator}` : undefined;
  const locks = [`${special}k:`, `${special}f:`];

  /** Whether a caller's key without a prefix cannot be mistaken for one of our own. */
  const unlikeOurs = (key: string): boolean => !/^[:@#]/.test(key) && !key.startsWith(separator);

  function plain(key: string): string {
    if (bare && unlikeOurs(key)) return key;
    return foreign !== undefined && key.charCodeAt(0) === colon ? `${special}c:${key}` : start + key;
  }

  /** Whether a key is the start and a caller's key after it. */
  const isPlain = (redisKey: string): boolean => redisKey.startsWith(start) && !(foreign !== undefined && redisKey.startsWith(foreign));
  const isSpecial = (redisKey: string): boolean => redisKey.startsWith(special) && redisKey[special.length] !== '#';

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
    if (isPlain(redisKey)) return redisKey.slice(start.length);
    if (redisKey.startsWith(`${special}c:`)) return redisKey.slice(special.length + 2);
    if (redisKey.startsWith(`${special}u:`)) return Buffer.from(redisKey.slice(special.length + 2), 'hex').toString('utf16le');
    return bare && unlikeOurs(redisKey) ? redisKey : undefined;
  }

  return {
    ownsAll: bare,
    toRedisKey,
    fromRedisKey,
    siblingKey: ((redisKey, kind) => siblingKey(special, redisKey, kind)) as NonNullable<KeySpace['siblingKey']>,
    isInternalKey: (redisKey) => redisKey.startsWith(special) && /^[tlkf]:/.test(redisKey.slice(special.length, special.length + 2)),
    tags: { toRedisKey: (tag) => `${special}t:${tag}` },
    owns(redisKey) {
      // `clear` releases no lock.
      if (redisKey.startsWith(special) && locks.some((lock) => redisKey.startsWith(lock))) return false;
      return bare || isPlain(redisKey) || isSpecial(redisKey);
    },
    scan(pattern) {
      if (bare) return pattern === undefined ? { glob: '*' } : filtered('*', pattern);
      if (pattern === undefined || pattern === '*') return { glob: `${escapeGlob(head)}[${escapeGlob(separator[0] as string)}#]*` };
      return { glob: escapeGlob(start) + pattern };
    },
  };
}

/** Every version of a prefix of a store, for `clear({ allVersions: true })`. */
export function allVersions(prefix: string): Pick<KeySpace, 'scan' | 'owns' | 'ownsAll'> {
  const head = withoutBrokenTag(encodePart(prefix));
  return {
    ownsAll: head === '',
    scan: () => ({ glob: head === '' ? '*' : `${escapeGlob(head)}[:@#]*` }),
    owns(redisKey) {
      if (!redisKey.startsWith(head) || /^(@[^:#]*)?#[kf]:/.test(redisKey.slice(head.length))) return false;
      // A second `:` or `#` is that of a Keyv namespace.
      return head === '' || /^(@[^:#]*)?(:(?!:)|#(?!#))/.test(redisKey.slice(head.length));
    },
  };
}

/** The key space by which events and traces name keys. A Keyv namespace may replace it after the commands were made. */
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

/** A key in the slot of the entry. If there can be none, the keys of one lock share another slot, and a lease has no key. */
function siblingKey(special: string, redisKey: string, kind: keyof typeof siblings): string | undefined {
  const start = `${special}${siblings[kind]}:`;
  // A key without braces becomes the hash tag. Another one contains its own.
  const key = redisKey.includes('}') ? start + redisKey : `${start}{${redisKey}}`;
  if (hashTag(key) === hashTag(redisKey)) return key;
  // No key in Redis begins with `@{`, and the text in these braces contains none. No other key is encoded as `%`.
  return kind === 'lease' ? undefined : `${start}@{${redisKey.replace(/[{}%]/g, percent) || '%'}}`;
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

/** What follows the prefix in keys that cannot be written as they are. Faces with other separators have others. */
function specialMark(separator: string): string {
  if (separator === ':') return '#';
  return separator === keyvSeparator ? '##' : `##${encodeURIComponent(separator)}#`;
}

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le');
}

/** A scan for one glob, which filters the caller's keys by another. */
export function filtered(glob: string, pattern: string): Scan {
  const matches = globMatcher(pattern);
  return { glob, test: matches };
}
