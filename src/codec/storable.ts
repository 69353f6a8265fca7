import { types } from 'node:util';
import { defaultSerialize } from '@keyv/serialize';
import { CodecError } from '../errors.js';
import { asBuffer, ownMemory } from './entry.js';

/**
 * The value in a form that JSON can hold: views of bytes become Buffers, at any depth. Slow, because it visits every member.
 * @throws {CodecError} for a part that JSON would silently change, such as a Map
 */
export function storable(value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw refused(`a ${typeof value}`);
  return withBuffers(value, []);
}

/** Refuses a value that JSON cannot hold. Does not check its members. @throws {CodecError} */
export function refuseUnstorable(value: unknown): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw refused(`a ${typeof value}`);
  if (typeof value !== 'object' || value === null) return;
  const name = unstorable(value);
  if (name !== undefined) throw refused(name);
}

/** Refuses a value that structured clone silently turns into an empty object, such as a URL. @throws {CodecError} */
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

/** The kind of an object that JSON silently changes, mostly to `{}`; `undefined` for others. */
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

/** Classes that JSON can hold. */
const plain = new Set(['Object', 'Array', 'Date', 'String', 'Number', 'Boolean']);

/** Further classes that structured clone can hold. */
const clonable = new Set(['Map', 'Set', 'RegExp', 'Error', 'ArrayBuffer', 'BigInt']);

function refused(name: string, how = 'as JSON'): CodecError {
  return new CodecError(`${name.replace(/^a (?=[AEIO])/, 'an ')} cannot be stored ${how}`);
}

/**
 * The text of `@keyv/serialize`, by native JSON if that gives the same text and value, which is three times as fast. The two differ for
 * strings that begin with a colon, Buffers, objects with their own prototype or toJSON, holes, and functions and symbols in arrays.
 * @throws {CodecError} for a value, or a part of one, that JSON would silently change, such as a Map
 */
export function stringify(value: unknown): string {
  return isPlain(value) ? JSON.stringify(value) : defaultSerialize(storable(value));
}

/** Parses the text of `@keyv/serialize` or JSON. */
export function parse(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return colonString.test(text) ? revived(value) : value;
}

/**
 * What `@keyv/serialize` makes of the strings in parsed JSON that begin with a colon. Without a function that is called for each member, which
 * takes ten times as long and overflows the stack on deep values. Bytes get memory of their own.
 */
function revived(root: unknown): unknown {
  const top = [root];
  const open: unknown[][] = [top];
  for (let container = open.pop(); container !== undefined; container = open.pop()) {
    // The own members of parsed JSON, `__proto__` too, are plain: to assign one changes nothing else.
    for (const key of Object.keys(container) as unknown as number[]) {
      const member = container[key];
      if (typeof member === 'object' && member !== null) open.push(member as unknown[]);
      else if (typeof member === 'string' && member.charCodeAt(0) === colon) container[key] = revivedText(member);
    }
  }
  return top[0];
}

function revivedText(text: string): string | Buffer {
  return text.startsWith(bytesMark) ? ownMemory(Buffer.from(text.slice(bytesMark.length), 'base64')) : text.slice(1);
}

const bytesMark = ':base64:';

/** A string that begins with a colon. Some keys match too, which only costs time. */
const colonString = /(?:^|[[{,:\s])":/;

const colon = 58;
/** Deeper values, and cycles, are left to `@keyv/serialize`. */
const maxDepth = 100;

/** Whether native JSON and `@keyv/serialize` give the same text and value. */
export function isPlain(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
      return value.charCodeAt(0) !== colon;
    case 'number':
    case 'boolean':
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth > maxDepth) return false;
  if (Array.isArray(value)) {
    // Neither subclasses nor arrays with further properties.
    if (Object.getPrototypeOf(value) !== Array.prototype || Object.keys(value).length !== value.length) return false;
    for (const item of value) if (!isPlain(item, depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) {
    if (key === 'toJSON') return false;
    const item = (value as Record<string, unknown>)[key];
    // Both leave out undefined members.
    if (item !== undefined && !isPlain(item, depth + 1)) return false;
  }
  return true;
}

/** A number in JSON, or a string, in which digits are text. */
const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Whether JavaScript holds every number of this JSON exactly, unlike `12345678901234567890`, `1e400` and `-0`. */
export function holdsExactNumbers(json: string): boolean {
  for (const [token] of json.matchAll(stringOrNumber)) {
    if (token.startsWith('"')) continue;
    const value = Number(token);
    if (Object.is(value, -0) || !Number.isFinite(value)) return false;
    // Up to 15 digits are always exact.
    if ((token.length > 15 || /e/i.test(token)) && digits(token) !== digits(String(value))) return false;
  }
  return true;
}

/** A decimal number in canonical form: significant digits and exponent. */
function digits(number: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number) ?? [];
  const leading = (whole + part).replace(/^0+/, '');
  const significant = leading.replace(/0+$/, '');
  return `${sign}${significant}e${significant === '' ? 0 : Number(power) - part.length + leading.length - significant.length}`;
}
