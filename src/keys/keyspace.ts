import { createHash } from 'node:crypto';
import { ArgumentError, expected } from '../errors.js';
import { escapeGlob, globToRegExp } from './glob.js';

/** The mapping between the caller's keys and the keys in Redis ("wire keys"). Pure; one-to-one. */
export interface KeySpace {
  /** The wire key of a caller's key. */
  toWire(key: string): string;
  /** The caller's key, or `undefined` where the wire key is not ours or cannot be turned back. */
  fromWire(wire: string): string | undefined;
  /** How to scan for the keys of this space, those whose caller's key matches `pattern` or all. */
  scan(pattern?: string): Scan;
  /** Whether the wire key belongs to this space, listable or not. */
  owns(wire: string): boolean;
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
  /** `:` for stores, `::` for Keyv namespaces (what `@keyv/redis` writes). */
  readonly separator?: ':' | '::';
  /** Store keys longer than 1 KiB under a SHA-256 digest. */
  readonly hashLongKeys?: boolean | undefined;
}

/** Wire keys longer than this are hashed under `hashLongKeys`, in bytes. */
export const longKey = 1024;

/**
 * `prefix:key`, or `prefix@version:key`. In prefix and version the characters `%`, `@`, `#` and `:` are percent-encoded
 * (in a Keyv namespace `:` only where it could be mistaken for the separator), so that the first separator always ends
 * the head and every caller's key can follow as it is. `prefix#…` holds the keys that cannot be written as they are.
 */
export function keySpace(shape: KeySpaceShape): KeySpace {
  const { prefix, version, separator = ':', hashLongKeys = false } = shape;
  const encoded = separator === '::' ? encodeNamespace(prefix) : encodePart(prefix);
  const head = version === undefined ? encoded : `${encoded}@${encodePart(version)}`;
  // The whole database is ours: the keys in it are the caller's own, as redis-yet and @keyv/redis write them.
  const bare = head === '';
  const start = head + separator;
  const special = `${head}#`;

  function plain(key: string): string {
    return bare && !/^[:@#]/.test(key) ? key : start + key;
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
    return bare && !/^[:@#]/.test(wire) ? wire : undefined;
  }

  return {
    toWire,
    fromWire,
    owns: (wire) => bare || wire.startsWith(start) || wire.startsWith(special),
    scan(pattern) {
      if (bare) return pattern === undefined ? { glob: '*' } : filtered('*', pattern);
      if (pattern === undefined || pattern === '*') return { glob: `${escapeGlob(head)}[:#]*` };
      return { glob: escapeGlob(start) + pattern };
    },
  };
}

/** Every version of a prefix, for `clear({ allVersions: true })`. */
export function allVersions(prefix: string): Pick<KeySpace, 'scan' | 'owns'> {
  const head = encodePart(prefix);
  return {
    scan: () => ({ glob: head === '' ? '*' : `${escapeGlob(head)}[:@#]*` }),
    owns: (wire) => head === '' || (wire.startsWith(head) && ':@#'.includes(wire[head.length] ?? ' ')),
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
  const fromWire = parseKey ?? ((): undefined => undefined);
  return {
    toWire(key) {
      if (typeof key !== 'string') throw new ArgumentError(expected('key', 'a string', key));
      return keyFunction(key);
    },
    fromWire,
    owns: (wire) => fromWire(wire) !== undefined,
    scan: (pattern) => (pattern === undefined ? { glob: keyPattern } : filtered(keyPattern, pattern)),
  };
}

function filtered(glob: string, pattern: string): Scan {
  const matches = globToRegExp(pattern);
  return { glob, test: (key) => matches.test(key) };
}

function encodePart(part: string): string {
  return part.replace(/[%@#:]/g, percent);
}

function encodeNamespace(namespace: string): string {
  const ambiguous = namespace.includes('::') || namespace.endsWith(':');
  return namespace.replace(ambiguous ? /[%@#:]/g : /[%@#]/g, percent);
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le');
}
