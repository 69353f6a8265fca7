import { createHash } from 'node:crypto';
import { ArgumentError, type CacheError, expected, functionFailed } from '../errors.js';
import { escapeGlob, globToRegExp } from './glob.js';

/** The mapping between the caller's keys and the keys in Redis ("wire keys"). Pure; one-to-one. */
export interface KeySpace {
  /** The wire key of a caller's key. */
  toWire(key: string): string;
  /** The caller's key, or `undefined` where the wire key is not ours or cannot be turned back. */
  fromWire(wire: string): string | undefined;
  /** How to scan for the keys of this space, those whose caller's key matches `pattern` or all. */
  scan(pattern?: string): Scan;
  /**
   * The key of what stands beside an entry, in its slot of a cluster: `'l'` the lease of a load, `'k'` a lock, `'f'` the counter of
   * its fencing tokens. `undefined` where no lease can stand in that slot: braces without a hash tag. Left out where keys are made
   * by a function of the user's own.
   */
  beside?(wire: string, kind: 'l'): string | undefined;
  beside?(wire: string, kind: 'k' | 'f'): string;
  /** Whether the wire key is none of an entry, but of what stands beside them: a lease, a lock, the generation of a tag. */
  isAside?(wire: string): boolean;
  /** Whether the wire key belongs to this space, listable or not. */
  owns(wire: string): boolean;
  /** Where the generations of tags stand; left out where there is no place that a caller's key could not have. */
  readonly tags?: TagSpace;
  /** Set where the wire key may depend on more than the key, so that it has to be made each time. */
  readonly varies?: boolean;
}

/** The keys in which generations of tags stand: owned, so that `clear` deletes them too, and never listed. */
export interface TagSpace {
  toWire(tag: string): string;
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

  function toWire(key: string): string {
    if (typeof key !== 'string') throw new ArgumentError(expected('key', 'a string', key));
    // Lone surrogates all become U+FFFD in UTF-8; hexadecimal UTF-16 keeps such keys apart.
    let wire = key.isWellFormed() ? plain(key) : `${special}u:${utf16(key).toString('hex')}`;
    if (hashLongKeys && wire.length > longKey / 4 && Buffer.byteLength(wire) > longKey) {
      wire = `${special}h:${createHash('sha256').update(utf16(key)).digest('base64url')}`;
    }
    return wire;
  }

  function fromWire(wire: string): string | undefined {
    if (wire.startsWith(start)) return wire.slice(start.length);
    if (wire.startsWith(`${special}u:`)) return Buffer.from(wire.slice(special.length + 2), 'hex').toString('utf16le');
    return bare && unlikeOurs(wire) ? wire : undefined;
  }

  return {
    toWire,
    fromWire,
    beside: ((wire, kind) => beside(special, wire, kind)) as NonNullable<KeySpace['beside']>,
    isAside: (wire) => wire.startsWith(special) && /^[tlkf]:/.test(wire.slice(special.length, special.length + 2)),
    tags: { toWire: (tag) => `${special}t:${tag}` },
    owns(wire) {
      // Emptying the cache releases no lock.
      if (wire.startsWith(special) && locks.some((lock) => wire.startsWith(lock))) return false;
      return bare || wire.startsWith(start) || wire.startsWith(special);
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
    owns(wire) {
      if (!wire.startsWith(head) || /^#[kf]:/.test(wire.slice(head.length, head.length + 3))) return false;
      return head === '' || ':@#'.includes(wire[head.length] ?? ' ');
    },
  };
}

/**
 * A key space of the user's own: any function, with its inverse where scans are wanted.
 * @internal
 */
export function customKeySpace(
  keyFunction: (key: string) => string,
  parseKey: ((wire: string) => string | undefined) | undefined,
  keyPattern = '*',
): KeySpace {
  function fromWire(wire: string): string | undefined {
    if (parseKey === undefined) return undefined;
    let key: string | undefined;
    try {
      key = parseKey(wire);
    } catch (cause) {
      throw functionFailed('parseKey', cause);
    }
    if (key !== undefined && typeof key !== 'string') throw gave('parseKey', 'a string or undefined', key);
    return key;
  }
  return {
    varies: true,
    toWire(key) {
      if (typeof key !== 'string') throw new ArgumentError(expected('key', 'a string', key));
      let wire: string;
      try {
        wire = keyFunction(key);
      } catch (cause) {
        throw functionFailed('keyFunction', cause);
      }
      if (typeof wire !== 'string') throw gave('keyFunction', 'a string', wire);
      // What Redis makes of a lone surrogate, so that an engine in this process and a near tier know the key by the same name.
      return wire.toWellFormed();
    },
    fromWire,
    owns: (wire) => fromWire(wire) !== undefined,
    scan: (pattern) => (pattern === undefined ? { glob: keyPattern } : filtered(keyPattern, pattern)),
  };
}

/** The user's function returned something else than a key. */
function gave(option: string, what: string, given: unknown): CacheError {
  return functionFailed(option, new TypeError(`expected ${what}, got ${given === null ? 'null' : typeof given}`));
}

/** The caller's key for an event or a trace. `undefined` if `parseKey` fails: a failing name must not fail the operation. */
export function namedBy(space: Pick<KeySpace, 'fromWire'>, wire: string): string | undefined {
  try {
    return space.fromWire(wire);
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

/** A key in the slot of the other, or, of locks, in one slot with the others of this lock. */
function beside(special: string, wire: string, kind: 'l' | 'k' | 'f'): string | undefined {
  const start = `${special}${kind}:`;
  // A key without braces is its own hash tag; another one brings its tag along.
  const key = wire.includes('}') ? start + wire : `${start}{${wire}}`;
  if (hashTag(key) === hashTag(wire)) return key;
  // No wire key begins with `@{`, and what is in braces has none.
  return kind === 'l' ? undefined : `${start}@{${wire.replace(/[{}%]/g, percent)}}`;
}

/** What the slot of a key depends on. */
function hashTag(wire: string): string {
  const open = wire.indexOf('{');
  const end = open < 0 ? -1 : wire.indexOf('}', open + 1);
  return end > open + 1 ? wire.slice(open + 1, end) : wire;
}

function filtered(glob: string, pattern: string): Scan {
  const matches = globToRegExp(pattern);
  return { glob, test: (key) => matches.test(key) };
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
