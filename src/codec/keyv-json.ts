import { defaultDeserialize, defaultSerialize } from '@keyv/serialize';
import { storable } from './storable.js';

/**
 * `@keyv/serialize`, by native JSON wherever that provably gives the same text and the same value: three times as fast.
 * It differs from JSON in strings that begin with a colon, in Buffers, in objects with a prototype or a toJSON of their own, in
 * holes, and in functions and symbols inside arrays; those take its own way, after a look at what JSON cannot hold.
 *
 * @throws {CodecError} for a value, or a part of one, that JSON would turn into something else, such as a Map
 */
export function stringify(value: unknown): string {
  return isPlain(value) ? JSON.stringify(value) : defaultSerialize(storable(value));
}

/** The value of a text that `@keyv/serialize` or JSON wrote. */
export function parse(text: string): unknown {
  return colonString.test(text) ? defaultDeserialize(text) : JSON.parse(text);
}

/**
 * A quote that opens a string (it stands at the start or behind a bracket, a comma, a colon or white space) with a colon
 * behind it. Some keys look like it too; they only cost the slower way.
 */
const colonString = /(?:^|[[{,:\s])":/;

const colon = 58;
/** Deeper than this `@keyv/serialize` decides, cycles included. */
const maxDepth = 100;

/** Whether native JSON gives exactly what `@keyv/serialize` gives for this value, there and back. */
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
    // A subclass, or anything that hangs on the array beside its elements, is not for here.
    if (Object.getPrototypeOf(value) !== Array.prototype || Object.keys(value).length !== value.length) return false;
    for (const item of value) if (!isPlain(item, depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) {
    if (key === 'toJSON') return false;
    const item = (value as Record<string, unknown>)[key];
    // Both leave out what is undefined.
    if (item !== undefined && !isPlain(item, depth + 1)) return false;
  }
  return true;
}
