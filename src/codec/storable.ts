import { types } from 'node:util';
import { CodecError } from '../errors.js';
import { asBuffer } from './bytes.js';

/**
 * The value in a form that JSON can hold: views of bytes as Buffers, at any depth. Everything else stays the same object. Not for the fast
 * path: it looks at every member.
 *
 * @throws {CodecError} for a part that JSON would turn into something else without an error, such as a Map
 */
export function storable(value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw refused(`a ${typeof value}`);
  return withBuffers(value, []);
}

/** Refuses a value that is, as a whole, nothing JSON can hold. */
export function refuseUnstorable(value: unknown): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw refused(`a ${typeof value}`);
  if (typeof value !== 'object' || value === null) return;
  const name = unstorable(value);
  if (name !== undefined) throw refused(name);
}

/** Refuses a value of which structured clone makes an empty object without an error, such as a URL. */
export function refuseUnclonable(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  if (types.isPromise(value)) throw refused(promise, 'by structured clone');
  const tag = tagOf(value);
  if (!plain.has(tag) && !clonable.has(tag) && Object.keys(value).length === 0) throw refused(`a ${tag}`, 'by structured clone');
}

function withBuffers(value: unknown, path: readonly object[]): unknown {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (ArrayBuffer.isView(value)) return asBuffer(value);
  const name = unstorable(value);
  if (name !== undefined) throw refused(name);
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return value;
  if (path.includes(value)) throw new CodecError('the value cannot be encoded: it contains itself');
  const inside = [...path, value];
  let copy: Record<string, unknown> | undefined;
  for (const [key, member] of Object.entries(value)) {
    const stored = withBuffers(member, inside);
    if (stored === member) continue;
    copy ??= (Array.isArray(value) ? value.slice() : { ...value }) as Record<string, unknown>;
    copy[key] = stored;
  }
  return copy ?? value;
}

/** What the object is, if JSON makes something else of it without an error: mostly `{}`. */
function unstorable(value: object): string | undefined {
  const { then, pipe, toJSON } = value as { then?: unknown; pipe?: unknown; toJSON?: unknown };
  if (types.isPromise(value) || typeof then === 'function') return promise;
  if (typeof pipe === 'function') return 'a stream';
  if (types.isNativeError(value)) return 'an Error';
  const tag = tagOf(value);
  if (plain.has(tag) || typeof toJSON === 'function' || Object.keys(value).length > 0) return undefined;
  return `a ${tag}`;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

const promise = 'a Promise (await it first)';

/** Those that JSON knows. */
const plain = new Set(['Object', 'Array', 'Date', 'String', 'Number', 'Boolean']);

/** Those that structured clone knows beside them. */
const clonable = new Set(['Map', 'Set', 'RegExp', 'Error', 'ArrayBuffer', 'BigInt']);

function refused(name: string, how = 'as JSON'): CodecError {
  return new CodecError(`${name.replace(/^a (?=[AEIO])/, 'an ')} cannot be stored ${how}`);
}
