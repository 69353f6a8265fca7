import { fileURLToPath } from 'node:url';
import { decodeError, encodeError } from '../codec/codec.js';
import { isPlain, parse, storable, stringify } from '../codec/storable.js';
import { type CacheError, CodecError } from '../errors.js';
import { warn } from '../messages.js';
import type { StoreOptions } from '../options/options.js';
import type { KeyvModule } from './contract.js';
import { resolver } from './installed.js';

/** The object that Keyv stores: the value, and its expiry in milliseconds since 1970. */
export interface Envelope {
  readonly value?: unknown;
  readonly expires?: number | null;
}

/** Replaces the text of a value that the serializer refused. If the serializer threw, Keyv would reject, and `wrap` would lose the value. */
export class Unencodable {
  constructor(readonly reason: CacheError) {}
}

/**
 * Recognises text that a Keyv can read: JSON, unless the Keyv has a serializer of its own. A Keyv that gets other text rejects, and quotes
 * the text in its error.
 */
export class KeyvTexts {
  readonly #parse: ((text: string) => unknown) | undefined;
  /** Whether the Keyv writes other text than JSON. */
  #isForeign = false;

  /** `parse`: the function that the Keyv decodes with, if it reports unreadable text and returns undefined. */
  constructor(parse?: (text: string) => unknown) {
    this.#parse = parse;
  }

  /** Learns the kind of text from a write. */
  written(value: unknown): void {
    if (typeof value === 'string' && value.charCodeAt(0) !== brace) this.#isForeign = true;
  }

  accepts(text: string): boolean {
    return this.#parse !== undefined || this.#isForeign || isJsonObject(text);
  }

  /** The same for an iterator of Keyv 4 and 5, which fails at text without an envelope. */
  async iterable(stored: unknown): Promise<boolean> {
    if (typeof stored !== 'string' || this.#parse === undefined) return true;
    return typeof (await this.#parse(stored)) === 'object';
  }
}

const brace = 0x7b;

function isJsonObject(text: string): boolean {
  if (text.charCodeAt(0) !== brace) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The two functions of a serializer, whose names differ between the majors of Keyv. */
export interface TextFunctions {
  stringify(data: unknown): unknown;
  parse(text: string): unknown;
}

/** The default of `createKeyv` under Keyv 5: the text of `@keyv/serialize`, by native JSON if that gives the same text. */
export const standard: TextFunctions = { stringify, parse };

/** The adapter, as guarded functions report to it. */
export interface Reader {
  readonly iterating: boolean;
  /** Emits the error of a stored entry. */
  unreadable(error: CacheError): void;
}

/**
 * Wraps the functions so that they never throw, because Keyv would reject: a value that cannot be encoded becomes an {@link Unencodable}, and
 * unreadable text a miss that `reader` reports. `json`: they write JSON, so values that JSON would lose are refused.
 */
export function guarded(functions: TextFunctions, reader: Reader, json: boolean): TextFunctions {
  const unencodable = (error: unknown): Unencodable => new Unencodable(encodeError(error));
  const unreadable = (error: unknown): undefined => reader.unreadable(decodeError(error)) as undefined;

  /** An entry that expired on its way is a miss. Keyv would delete it, which takes another round trip. */
  function fresh(data: unknown): Envelope | undefined {
    if (typeof data !== 'object' || data === null) throw new CodecError('the stored text is no entry of a Keyv');
    const { expires } = data as Envelope;
    if (typeof expires !== 'number' || Date.now() <= expires) return data;
    // Iterators of Keyv need an envelope.
    return reader.iterating ? { expires: 0 } : undefined;
  }

  return {
    stringify(data) {
      try {
        const { value } = data as Envelope;
        // The adapter does not store `undefined`.
        if (value === undefined) return undefined;
        const text = functions.stringify(!json || isPlain(value) ? data : { ...(data as Envelope), value: storable(value) });
        return text instanceof Promise ? text.catch(unencodable) : text;
      } catch (error) {
        return unencodable(error);
      }
    },
    parse(text) {
      try {
        const data = functions.parse(text);
        return data instanceof Promise ? data.then(fresh).catch(unreadable) : fresh(data);
      } catch (error) {
        return unreadable(error);
      }
    },
  };
}

/** Unwraps Keyv's envelope, text or object, for the functions in the options: they get the value. */
export function seeingValues(options: StoreOptions): StoreOptions {
  const { isCacheable, ttl, tags } = options;
  return {
    ...options,
    ...(typeof isCacheable === 'function' ? { isCacheable: (stored: unknown) => isCacheable(valueIn(stored)) } : {}),
    ...(typeof tags === 'function' ? { tags: (key: string, stored: unknown) => tags(key, valueIn(stored)) } : {}),
    ...(typeof ttl === 'function' ? { ttl: (stored: unknown) => ttl(valueIn(stored)) } : {}),
  };
}

function valueIn(stored: unknown): unknown {
  let envelope = stored;
  if (typeof stored === 'string') {
    try {
      envelope = parse(stored);
    } catch {
      // Text of the user's own serializer: there is no envelope to unwrap.
      return stored;
    }
  }
  return typeof envelope === 'object' && envelope !== null && 'value' in envelope ? envelope.value : stored;
}

/** The methods of a Keyv 6 that this file uses. */
interface Keyv6 {
  get(key: string | string[], ...rest: unknown[]): Promise<unknown>;
  getMany(keys: string[], ...rest: unknown[]): Promise<unknown[]>;
  getRaw(key: string): Promise<unknown>;
  getManyRaw(keys: string[]): Promise<unknown[]>;
}

const patched = new WeakSet<object>();

/**
 * Makes Keyv 6 answer `get` and `getMany` with `{ raw: true }` like Keyv 5: with the envelope. cache-manager 6 and 7 read `.value` of that
 * answer. Keyv 6 ignores the option, so `wrap` would return an object's own `value` property instead of the object. Other calls stay
 * unchanged.
 */
export function answerRawReads(keyv: KeyvModule): void {
  const prototype = keyv.KeyvBridgeAdapter ? (keyv.Keyv?.prototype as Keyv6 | undefined) : undefined;
  if (!prototype || patched.has(prototype)) return;
  patched.add(prototype);
  const { get, getMany } = prototype;
  prototype.get = async function (this: Keyv6, key, ...rest) {
    if (!asksRaw(rest)) return get.call(this, key, ...rest);
    return Array.isArray(key) ? this.getManyRaw(key) : this.getRaw(key);
  };
  prototype.getMany = async function (this: Keyv6, keys, ...rest) {
    return asksRaw(rest) ? this.getManyRaw(keys) : getMany.call(this, keys, ...rest);
  };
}

function asksRaw([options]: readonly unknown[]): boolean {
  return (options as { raw?: unknown } | undefined)?.raw === true;
}

/**
 * The same for the Keyv that calls `called`. An adapter does not know the Keyv around it, but Keyv's file is on the stack. That file is loaded
 * already, so `require` returns the copy in use.
 */
export function answerRawReadsOfCaller(called: (...args: never[]) => unknown): void {
  const file = callerOf(called);
  if (file === undefined || seenFiles.has(file)) return;
  seenFiles.add(file);
  try {
    const keyv = resolver(file.startsWith('file:') ? fileURLToPath(file) : file) as KeyvModule;
    answerRawReads(keyv);
    if (keyv.KeyvBridgeAdapter) return;
  } catch {
    // A bundle that is still being evaluated.
  }
  warn(
    'redis-tier cannot reach the Keyv 6 around an adapter, as in a bundle: use createKeyv if the Keyv is for cache-manager',
    'REDIS_TIER_KEYV',
  );
}

const seenFiles = new Set<string>();

function callerOf(called: (...args: never[]) => unknown): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const trace: { stack?: readonly NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, sites) => sites;
    Error.captureStackTrace(trace, called);
    return trace.stack?.[0]?.getFileName() ?? undefined;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}
