import { isUtf8 } from 'node:buffer';
import { CodecError, expected, OptionError } from '../errors.js';
import { agingLayer } from './aging.js';
import { asBuffer } from './bytes.js';
import { type EncryptionOptions, encrypting } from './encryption.js';
import { holdsExactNumbers } from './exact-numbers.js';
import { decodeError, encodeError } from './explain.js';
import { type Frame, frame, isFramed, layerName, parseFrame, printable } from './frame.js';
import { isPlain } from './keyv-json.js';
import { createPacking, type Packing, type PackingOptions } from './packing.js';
import { jsonSerializer, keyvSerializer, type MaybePromise, type Serializer, then, v8Serializer } from './serializers.js';
import { refuseUnclonable, refuseUnstorable } from './storable.js';
import { tagLayer } from './tag-header.js';

/** What goes to Redis and comes back. */
export type Stored = string | Buffer;

/**
 * Values to bytes and back. Either direction may need time; where it does not, it stays synchronous. `key` is the wire key
 * the bytes stand under, to which encryption binds them.
 */
export interface Codec {
  encode(value: unknown, key: string): MaybePromise<Stored>;
  decode(stored: Stored, key: string): MaybePromise<unknown>;
  /** The bytes this codec would write in place of these; `undefined` where it would write the same, or plain JSON that says the same. */
  reencode(stored: Stored, key: string): MaybePromise<Stored | undefined>;
  /** Whether the bytes mean nothing to Redis and belong to their key: it cannot count with them nor move them. */
  readonly sealed: boolean;
}

export interface CodecOptions extends PackingOptions {
  /**
   * What values are written with. Default {@link keyvSerializer}. Values of every built-in one are read whatever is set
   * here; an array reads those of its further members as well, for a change from one to another.
   */
  readonly serializer?: Serializer | readonly [Serializer, ...Serializer[]] | undefined;
  /** AES-256-GCM, bound to the key. Default: none. */
  readonly encryption?: EncryptionOptions | undefined;
}

/** A serializer brought into one shape. */
interface Format {
  readonly name: string;
  readonly encode: (value: unknown) => MaybePromise<string | Uint8Array>;
  readonly decode: (payload: Buffer, text: boolean) => unknown;
}

const reserved = ['bytes', 'text', 'utf16', tagLayer];

/**
 * The two codecs of a store: for its own values, and for what Keyv hands over (serialized by Keyv already, mostly).
 *
 * @param isText whether Keyv can read this text
 */
export function createCodecs(
  options: CodecOptions,
  isText: (text: string) => boolean = () => true,
): {
  values: Codec;
  raw: Codec;
} {
  const { serializer = keyvSerializer } = options;
  if (Array.isArray(serializer) && serializer.length === 0) {
    throw new OptionError(expected('serializer', 'a serializer, or an array of one or more', serializer));
  }
  const own = (Array.isArray(serializer) ? (serializer as readonly Serializer[]) : [serializer as Serializer]).map(format);
  const writer = own[0] as Format;
  const writesJson = writer.name === jsonSerializer.name || writer.name === keyvSerializer.name;
  const packing = createPacking(options);

  const formats = new Map<string, Format>();
  for (const each of [...own, ...[jsonSerializer, keyvSerializer, v8Serializer].map(format), bytes, text, utf16]) {
    if (!formats.has(each.name)) formats.set(each.name, each);
  }

  function decodeFramed(stored: Buffer): MaybePromise<unknown> {
    const parsed = parseFrame(stored);
    const [name = '', packed, more] = parsed?.layers.split('+') ?? [];
    const reader = formats.get(name);
    if (!parsed || !reader || more !== undefined) return unreadable(parsed);
    // A copy: what was read is a view into memory that is not the value's own.
    if (packed === undefined) return reader.decode(parsed.text ? parsed.payload : Buffer.from(parsed.payload), parsed.text);
    const unpack = packing.unpacker(packed);
    if (!unpack) return unreadable(parsed);
    return then(unpack(parsed.payload), (payload) => reader.decode(payload, parsed.text));
  }

  const values: Ways = {
    encode(value) {
      // An integer stays an integer, so that INCR works on it and a person can read it.
      if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
      if (Buffer.isBuffer(value)) return pack(bytes.name, value, packing);
      // The default's short way: nothing has to be looked for in the text.
      if (serializer === keyvSerializer && packing.name === undefined && isPlain(value)) return JSON.stringify(value);
      if (writesJson && ArrayBuffer.isView(value)) return pack(bytes.name, asBuffer(value), packing);
      // The default looks at every member by itself.
      if (writer.name === v8Serializer.name) refuseUnclonable(value);
      else if (writer.name === jsonSerializer.name || value instanceof Promise) refuseUnstorable(value);
      return then(writer.encode(value), (payload) => {
        if (isPlainJson(writer.name, payload) && !packing.takes(payload)) return payload;
        return pack(writer.name, payload, packing);
      });
    },
    decode(stored) {
      if (typeof stored !== 'string') {
        if (isFramed(stored)) return decodeFramed(stored);
        stored = utf8(stored);
      }
      return JSON.parse(stored);
    },
  };
  const raw: Ways = {
    encode(value) {
      if (typeof value === 'string') {
        if (!value.isWellFormed()) return pack(utf16.name, Buffer.from(value, 'utf16le'), packing);
        return packing.takes(value) ? pack(text.name, value, packing) : value;
      }
      if (Buffer.isBuffer(value)) return pack(bytes.name, value, packing);
      return then(writer.encode(value), (payload) => pack(writer.name, payload, packing));
    },
    decode(stored) {
      if (typeof stored !== 'string') {
        if (isFramed(stored)) return decodeFramed(stored);
        stored = utf8(stored);
      }
      // What was decrypted is ours.
      if (options.encryption === undefined && !isText(stored)) throw new CodecError('the stored text is no entry of a Keyv');
      return stored;
    },
  };
  const encrypt = options.encryption === undefined ? asItIs : encrypting(options.encryption);
  return { values: explaining(encrypt(rewriting(values))), raw: explaining(encrypt(rewriting(raw))) };
}

/** The two ways, which need no key. */
interface Ways {
  encode(value: unknown): MaybePromise<Stored>;
  decode(stored: Stored): MaybePromise<unknown>;
}

const asItIs = (codec: Codec): Codec => codec;

function rewriting({ encode, decode }: Ways): Codec {
  const plain = (stored: Stored): boolean => typeof stored === 'string' || !isFramed(stored);
  // Plain JSON would only be formatted anew.
  const same = (one: Stored, other: Stored): boolean =>
    (plain(one) && plain(other)) || Buffer.from(one as string).equals(Buffer.from(other as string));
  return {
    encode,
    decode,
    reencode: (stored) =>
      then(decode(stored), (value) => {
        // Digits that JavaScript does not hold stay as they are.
        if (plain(stored) && value !== String(stored) && !holdsExactNumbers(String(stored))) return undefined;
        return then(encode(value), (written) => (same(stored, written) ? undefined : written));
      }),
    sealed: false,
  };
}

/** Whatever a serializer or a compression throws is a CodecError, in time or later. */
function explaining(codec: Codec): Codec {
  const attempt =
    <A, R>(work: (argument: A, key: string) => MaybePromise<R>, fail: (error: unknown) => never) =>
    (argument: A, key: string): MaybePromise<R> => {
      try {
        const result = work(argument, key);
        return result instanceof Promise ? result.catch(fail) : result;
      } catch (error) {
        return fail(error);
      }
    };
  return {
    encode: attempt(codec.encode, unwritten),
    decode: attempt(codec.decode, unread),
    reencode: attempt(codec.reencode, unread),
    sealed: codec.sealed,
  };
}

function unwritten(error: unknown): never {
  throw encodeError(error);
}

function unread(error: unknown): never {
  throw decodeError(error);
}

/** Buffers as they are. */
const bytes: Format = {
  name: 'bytes',
  encode: asIs,
  decode: (payload) => payload,
};
/** Text that Keyv has serialized, where it had to be compressed. */
const text: Format = { name: 'text', encode: asIs, decode: utf8 };
/** Text with lone surrogates, which UTF-8 cannot hold. */
const utf16: Format = {
  name: 'utf16',
  encode: asIs,
  decode: (payload) => payload.toString('utf16le'),
};

function asIs(value: unknown): string | Uint8Array {
  return value as string | Uint8Array;
}

function format(serializer: Serializer): Format {
  const name = serializer?.name ?? 'custom';
  if (typeof name !== 'string' || !layerName.test(name) || reserved.includes(name) || name.startsWith(agingLayer)) {
    throw new OptionError(
      expected(
        'serializer.name',
        `1 to 32 letters, digits, \`.\`, \`_\` or \`-\`, none of ${reserved.join(', ')}, and not \`${agingLayer}…\``,
        name,
      ),
    );
  }
  const given = (typeof serializer === 'object' || typeof serializer === 'function') && serializer !== null;
  if (given && 'stringify' in serializer && typeof serializer.stringify === 'function' && typeof serializer.parse === 'function') {
    return {
      name,
      encode: (value) => serializer.stringify(value),
      decode: (payload) => serializer.parse(utf8(payload)),
    };
  }
  if (given && 'serialize' in serializer && typeof serializer.serialize === 'function' && typeof serializer.deserialize === 'function') {
    return {
      name,
      encode: (value) => serializer.serialize(value),
      decode: (payload, isText) => serializer.deserialize(isText ? utf8(payload) : payload),
    };
  }
  throw new OptionError(expected('serializer', 'an object with stringify and parse, or serialize and deserialize', serializer));
}

/**
 * Whether anybody's JSON.parse gives the value back. `@keyv/serialize` writes a colon in front of strings that start
 * with one, and bytes as `:base64:…`; what holds neither is plain.
 */
function isPlainJson(name: string, payload: string | Uint8Array): payload is string {
  if (typeof payload !== 'string') return false;
  return name === jsonSerializer.name || (name === keyvSerializer.name && !payload.includes('"::') && !payload.includes('":base64:'));
}

function pack(name: string, payload: string | Uint8Array, packing: Packing): MaybePromise<Buffer> {
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw new CodecError(`the serializer ${name} returned ${payload === undefined ? 'nothing' : `a ${typeof payload}`} for this value`);
  }
  const content = typeof payload === 'string' ? payload : asBuffer(payload);
  if (!packing.takes(content)) return frame(name, content);
  // A copy: the caller may reuse its bytes while they are being compressed.
  return then(packing.pack(Buffer.from(content as string)), (packed) =>
    frame(`${name}+${packing.name}`, packed, typeof content === 'string'),
  );
}

function utf8(payload: Buffer): string {
  const text = payload.toString();
  // What is no UTF-8 becomes U+FFFD; whether one stands in the text costs nothing to know, where the bytes would have to be read again.
  if (text.includes('\ufffd') && !isUtf8(payload)) throw new CodecError('the stored bytes are neither a frame nor UTF-8 text');
  return text;
}

function unreadable(parsed: Frame | undefined): never {
  throw new CodecError(
    parsed
      ? `the stored value was written with \`${printable(parsed.layers)}\`, which this store has no reader for`
      : 'the stored value has a damaged header',
  );
}
