import { isUtf8 } from 'node:buffer';
import { serialize } from 'node:v8';
import { check } from '../checks.js';
import { CodecError, OptionError } from '../errors.js';
import { expected, shown } from '../messages.js';
import { agingLayer, layerName, ownMemory, type Stored, type StoredEntry, tagLayer } from './entry.js';
import type { Quota, Skim } from './limits.js';
import { skimMsgpack } from './skim-msgpack.js';
import { skimV8 } from './skim-v8.js';
import * as keyvJson from './storable.js';
import { deserialize } from './v8-values.js';

/** A value, or a promise of it. */
export type MaybePromise<T> = T | Promise<T>;

/** Continues at once with a value, and later with a promise. @internal */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Turns values into text and back: the shape of `JSON`, superjson, devalue and most others. */
export interface TextSerializer {
  /** Stored with the values, so that only this serializer reads them: 1 to 32 letters, digits, `.`, `_` or `-`. Default `'custom'`. */
  readonly name?: string | undefined;
  stringify(value: unknown): MaybePromise<string>;
  parse(text: string): unknown;
}

/** Turns values into bytes (or text) and back. `deserialize` gets what `serialize` returned. */
export interface BinarySerializer {
  /** Stored with the values, so that only this serializer reads them: 1 to 32 letters, digits, `.`, `_` or `-`. Default `'custom'`. */
  readonly name?: string | undefined;
  serialize(value: unknown): MaybePromise<string | Uint8Array>;
  // biome-ignore lint/suspicious/noExplicitAny: the result of its own `serialize`
  deserialize(stored: any): unknown;
}

/** Turns values into text or bytes and back: the option `serializer`. */
export type Serializer = TextSerializer | BinarySerializer;

/** Encodes and decodes values, synchronously if serializer and compression do. */
export interface Codec {
  /** The payload of an entry, which `seal` makes whole. */
  encode(value: unknown): MaybePromise<Stored>;
  /** The bytes of an entry. Encryption binds payload, header and key together. */
  seal(payload: Stored, redisKey: string, header: Buffer | undefined): Stored;
  /** `quota`: what the values of one call may take together. */
  decode(entry: EncodedEntry, redisKey: string, quota?: Quota): MaybePromise<unknown>;
  /** The entry as this codec would write it for the same value, or `undefined` if it is the same, or the same JSON in another format. */
  reencode(entry: EncodedEntry, redisKey: string): MaybePromise<Stored | undefined>;
  /** What the values of one call may take together. Left out: each alone is bounded. */
  newQuota?(values: number): Quota;
  /** Whether values are encrypted and bound to their keys: Redis can neither count with them nor rename them. */
  readonly encrypted: boolean;
}

/** Values to payloads and back, whatever the entry around them. */
export interface PayloadCodec {
  encode(value: unknown): MaybePromise<Stored>;
  decode(payload: Stored): MaybePromise<unknown>;
}

/** What a codec needs of an entry that was read. */
export type EncodedEntry = Pick<StoredEntry, 'payload' | 'header'>;

/** The methods of msgpackr's module and of its `Packr` instances. */
export interface MessagePack {
  pack(value: unknown): Uint8Array;
  unpack(bytes: Uint8Array): unknown;
}

/** Native JSON, stored as plain JSON. Values come back as `JSON.parse(JSON.stringify(value))`. @example serializer: jsonSerializer */
export const jsonSerializer = { name: 'json', stringify: JSON.stringify, parse: JSON.parse } as const satisfies TextSerializer;

/** The default: the text of `@keyv/serialize`, which is JSON in which Buffers survive at any depth. */
export const keyvSerializer = { name: 'keyv', stringify: keyvJson.stringify, parse: keyvJson.parse } as const satisfies TextSerializer;

/** `node:v8` structured clone: Map, Set, Date, RegExp, BigInt, typed arrays, Errors and cycles survive. Only Node reads it. @example serializer: v8Serializer */
export const v8Serializer = {
  name: 'v8',
  serialize,
  deserialize: (bytes: Buffer): unknown => deserialize(bytes),
} as const satisfies BinarySerializer;

/** How to count what the bytes of our own binary serializers hold. */
const skims = new WeakMap<object, Skim>([[v8Serializer, skimV8]]);

/**
 * MessagePack by the package msgpackr, which you install, or by a `Packr` with your own settings.
 * @throws {OptionError} if the argument is not msgpackr
 * @example serializer: msgpackSerializer(await import('msgpackr'))
 */
export function msgpackSerializer(msgpackr: MessagePack): BinarySerializer {
  if (typeof msgpackr?.pack !== 'function' || typeof msgpackr.unpack !== 'function') {
    throw new OptionError(
      `expected the argument of \`msgpackSerializer\` to be the msgpackr module (npm install msgpackr; \`import * as msgpackr from 'msgpackr'\`), got \`${shown(msgpackr)}\``,
    );
  }
  const serializer = {
    name: 'msgpack',
    serialize: (value: unknown) => msgpackr.pack(value),
    deserialize: (bytes: Buffer) => msgpackr.unpack(bytes),
  };
  skims.set(serializer, skimMsgpack);
  return serializer;
}

/** A serializer of any shape, as the codec calls it. */
export interface Format {
  readonly name: string;
  readonly encode: (value: unknown) => MaybePromise<string | Uint8Array>;
  /** `bounded` refuses a text that holds too much, and returns others. */
  readonly decode: (payload: Buffer, isText: boolean, bounded: (text: string) => string) => unknown;
  /** Counts what bytes hold before they become a value. Other binary formats are bounded by their size only. */
  readonly skim?: Skim | undefined;
}

const asIs = (value: unknown): string | Uint8Array => value as string | Uint8Array;

/** Buffers as they are. */
export const bytesFormat: Format = { name: 'bytes', encode: asIs, decode: ownMemory };
/** Text that Keyv serialized, if it is compressed. */
export const textFormat: Format = { name: 'text', encode: asIs, decode: (payload, _, bounded) => bounded(utf8(payload)) };
/** Text with lone surrogates, which UTF-8 cannot hold. */
export const utf16Format: Format = {
  name: 'utf16',
  encode: asIs,
  decode: (payload, _, bounded) => bounded(payload.toString('utf16le')),
};

const reserved = [bytesFormat.name, textFormat.name, utf16Format.name, tagLayer];

/** The formats of the options `serializer` and `readable`, the writing one first. @throws {OptionError} for anything but serializers */
export function parseSerializers(option: Serializer | readonly Serializer[], readable: readonly Serializer[] = []): [Format, ...Format[]] {
  const serializers = Array.isArray(option) ? (option as readonly Serializer[]) : [option as Serializer];
  check('serializer', 'a serializer, or an array of one or more', option, serializers.length > 0);
  check('readable', 'an array of serializers', readable, Array.isArray(readable));
  return [...serializers, ...readable].map(formatOf) as [Format, ...Format[]];
}

/** Every format that a store reads, by name: those of its options before those that are always read. */
export function readableFormats(own: readonly Format[]): ReadonlyMap<string, Format> {
  const builtIn = [jsonSerializer, keyvSerializer].map(formatOf);
  const formats = [...own, ...builtIn, bytesFormat, textFormat, utf16Format];
  return new Map(formats.reverse().map((format) => [format.name, format]));
}

function formatOf(serializer: Serializer): Format {
  const name = serializer?.name ?? 'custom';
  const isFree = typeof name === 'string' && layerName.test(name) && !reserved.includes(name) && !name.startsWith(agingLayer);
  const what = `1 to 32 letters, digits, \`.\`, \`_\` or \`-\`, not ${reserved.join(', ')} or \`${agingLayer}…\``;
  check('serializer.name', what, name, isFree);
  const own = serializer as TextSerializer & BinarySerializer;
  if (typeof own?.stringify === 'function' && typeof own.parse === 'function') {
    return { name, encode: (value) => own.stringify(value), decode: (payload, _, bounded) => own.parse(bounded(utf8(payload))) };
  }
  if (typeof own?.serialize === 'function' && typeof own.deserialize === 'function') {
    return {
      name,
      encode: (value) => own.serialize(value),
      // A reader may keep the bytes, or return a part of them. Our own reader of v8 does neither.
      decode(payload, isText, bounded) {
        if (isText) return own.deserialize(bounded(utf8(payload)));
        return own.deserialize(skims.get(serializer) === skimV8 ? payload : ownMemory(payload));
      },
      skim: skims.get(serializer),
    };
  }
  throw new OptionError(expected('serializer', 'an object with stringify and parse, or serialize and deserialize', serializer));
}

/** Whether JSON.parse gives the value back. `@keyv/serialize` escapes strings that begin with a colon, and writes bytes as `:base64:…`. */
export function isPlainJson(name: string, payload: string | Uint8Array): payload is string {
  if (typeof payload !== 'string') return false;
  return name === jsonSerializer.name || (name === keyvSerializer.name && !payload.includes('"::') && !payload.includes('":base64:'));
}

/** @throws {CodecError} for bytes that are not UTF-8 */
export function utf8(payload: Buffer): string {
  const text = payload.toString();
  // Invalid bytes become U+FFFD. To look for it in the text costs nothing, to check all bytes does.
  if (text.includes('\ufffd') && !isUtf8(payload)) throw new CodecError('the stored bytes are neither a frame nor UTF-8 text');
  return text;
}
