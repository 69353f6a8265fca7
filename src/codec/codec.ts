import { isUtf8 } from 'node:buffer';
import { CacheError, CodecError, expected, OptionError, UnsupportedError } from '../errors.js';
import { brotliCompressor, type Compressor, gzipCompressor, zstdCompressor } from './compressors.js';
import { type Frame, frame, isFramed, layerName, parseFrame } from './frame.js';
import { isPlain } from './keyv-json.js';
import { jsonSerializer, keyvSerializer, type MaybePromise, type Serializer, v8Serializer } from './serializers.js';

/** What goes to Redis and comes back. */
export type Stored = string | Buffer;

/** Values to bytes and back. Either direction may need time; where it does not, it stays synchronous. */
export interface Codec {
  encode(value: unknown): MaybePromise<Stored>;
  decode(stored: Stored): MaybePromise<unknown>;
}

export interface CompressionOptions {
  /** `'gzip'`, `'brotli'`, `'zstd'` or one of your own. */
  readonly algorithm: 'gzip' | 'brotli' | 'zstd' | Compressor;
  /** Values of fewer bytes are stored as they are. Default 1024. */
  readonly threshold?: number | undefined;
}

export interface CodecOptions {
  /**
   * What values are written with. Default {@link keyvSerializer}. Values of every built-in one are read whatever is set
   * here; an array reads those of its further members as well, for a change from one to another.
   */
  readonly serializer?: Serializer | readonly [Serializer, ...Serializer[]] | undefined;
  /** Default: none. Values compressed with a built-in algorithm are read whatever is set here. */
  readonly compression?: CompressionOptions['algorithm'] | CompressionOptions | (Compressor & { threshold: number }) | undefined;
}

/** A serializer brought into one shape. */
interface Format {
  readonly name: string;
  readonly encode: (value: unknown) => MaybePromise<string | Uint8Array>;
  readonly decode: (payload: Buffer, text: boolean) => unknown;
}

interface Packing {
  readonly name: string;
  readonly compressor: Compressor;
  readonly threshold: number;
}

const compressors = {
  gzip: gzipCompressor,
  brotli: brotliCompressor,
  zstd: zstdCompressor,
};
const reserved = ['bytes', 'text', 'utf16'];

/** The two codecs of a store: for its own values, and for what Keyv hands over (serialized by Keyv already, mostly). */
export function createCodecs(options: CodecOptions): {
  values: Codec;
  raw: Codec;
} {
  const { serializer = keyvSerializer } = options;
  const own = (Array.isArray(serializer) ? (serializer as readonly Serializer[]) : [serializer as Serializer]).map(format);
  const writer = own[0] as Format;
  const packing = createPacking(options.compression);

  const formats = new Map<string, Format>();
  for (const each of [...own, ...[jsonSerializer, keyvSerializer, v8Serializer].map(format), bytes, text, utf16]) {
    if (!formats.has(each.name)) formats.set(each.name, each);
  }
  const unpackers = new Map<string, Compressor>(Object.entries(compressors));
  if (packing) unpackers.set(packing.name, packing.compressor);

  function decodeFramed(stored: Buffer): MaybePromise<unknown> {
    const parsed = parseFrame(stored);
    const [name = '', packed, more] = parsed?.layers.split('+') ?? [];
    const reader = formats.get(name);
    if (!parsed || !reader || more !== undefined) return unreadable(parsed);
    // A copy: what was read is a view into memory that is not the value's own.
    if (packed === undefined) return reader.decode(parsed.text ? parsed.payload : Buffer.from(parsed.payload), parsed.text);
    const unpacker = unpackers.get(packed);
    if (!unpacker) return unreadable(parsed);
    return then(unpacker.decompress(parsed.payload), (payload) => reader.decode(asBuffer(payload), parsed.text));
  }

  const values: Codec = {
    encode(value) {
      // An integer stays an integer, so that INCR works on it and a person can read it.
      if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
      if (Buffer.isBuffer(value)) return pack(bytes.name, value, packing);
      // The default's short way: nothing has to be looked for in the text.
      if (serializer === keyvSerializer && packing === undefined && isPlain(value)) return JSON.stringify(value);
      return then(writer.encode(value), (payload) => {
        if (isPlainJson(writer.name, payload) && !oversized(payload, packing)) return payload;
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
  const raw: Codec = {
    encode(value) {
      if (typeof value === 'string') {
        if (!value.isWellFormed()) return pack(utf16.name, Buffer.from(value, 'utf16le'), packing);
        return oversized(value, packing) ? pack(text.name, value, packing) : value;
      }
      if (Buffer.isBuffer(value)) return pack(bytes.name, value, packing);
      return then(writer.encode(value), (payload) => pack(writer.name, payload, packing));
    },
    decode(stored) {
      if (typeof stored === 'string') return stored;
      if (isFramed(stored)) return decodeFramed(stored);
      // Bytes that somebody else stored and that are no text: kept as bytes rather than mangled into text.
      return isUtf8(stored) ? stored.toString() : Buffer.from(stored);
    },
  };
  return { values: explaining(values), raw: explaining(raw) };
}

/** Whatever a serializer or a compression throws is a CodecError, in time or later. */
function explaining(codec: Codec): Codec {
  const failed = (what: string) => (error: unknown) => {
    if (error instanceof CacheError) throw error;
    throw new CodecError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  };
  const attempt =
    <A, R>(work: (argument: A) => MaybePromise<R>, fail: (error: unknown) => never) =>
    (argument: A): MaybePromise<R> => {
      try {
        const result = work(argument);
        return result instanceof Promise ? result.catch(fail) : result;
      } catch (error) {
        return fail(error);
      }
    };
  return {
    encode: attempt(codec.encode, failed('the value cannot be encoded')),
    decode: attempt(codec.decode, failed('the stored value cannot be decoded')),
  };
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
  if (!layerName.test(name) || reserved.includes(name)) {
    throw new OptionError(
      expected('serializer.name', `1 to 32 letters, digits, \`.\`, \`_\` or \`-\`, and none of ${reserved.join(', ')}`, name),
    );
  }
  if (serializer && 'stringify' in serializer && typeof serializer.parse === 'function') {
    return {
      name,
      encode: (value) => serializer.stringify(value),
      decode: (payload) => serializer.parse(utf8(payload)),
    };
  }
  if (serializer && 'serialize' in serializer && typeof serializer.deserialize === 'function') {
    return {
      name,
      encode: (value) => serializer.serialize(value),
      decode: (payload, isText) => serializer.deserialize(isText ? utf8(payload) : payload),
    };
  }
  throw new OptionError(expected('serializer', 'an object with stringify and parse, or serialize and deserialize', serializer));
}

function createPacking(option: CodecOptions['compression']): Packing | undefined {
  if (option === undefined) return undefined;
  const { algorithm, threshold = 1024 }: CompressionOptions =
    typeof option === 'object' && 'algorithm' in option ? option : { algorithm: option, ...thresholdOf(option) };
  const compressor = typeof algorithm === 'string' ? compressors[algorithm] : algorithm;
  if (typeof compressor?.compress !== 'function' || typeof compressor.decompress !== 'function') {
    throw new OptionError(expected('compression', "'gzip', 'brotli', 'zstd' or an object with compress and decompress", algorithm));
  }
  if (!(typeof threshold === 'number' && threshold >= 0)) {
    throw new OptionError(expected('compression.threshold', 'a number of bytes ≥ 0', threshold));
  }
  if (compressor === zstdCompressor && !zstdCompressor.supported) {
    throw new UnsupportedError(`zstd needs Node 22.15 or later, this is ${process.version}`);
  }
  const name = compressor.name ?? 'custom';
  if (!layerName.test(name)) {
    throw new OptionError(expected('compression.name', '1 to 32 letters, digits, `.`, `_` or `-`', name));
  }
  return { name, compressor, threshold };
}

/** `compression: { compress, decompress, threshold }` is as good as naming it apart. */
function thresholdOf(option: string | Compressor): { threshold?: number } {
  return typeof option === 'object' && 'threshold' in option ? { threshold: option.threshold as number } : {};
}

function oversized(payload: string | Uint8Array, packing: Packing | undefined): boolean {
  return packing !== undefined && Buffer.byteLength(payload) >= packing.threshold;
}

/**
 * Whether anybody's JSON.parse gives the value back. `@keyv/serialize` writes a colon in front of strings that start
 * with one, and bytes as `:base64:…`; what holds neither is plain.
 */
function isPlainJson(name: string, payload: string | Uint8Array): payload is string {
  if (typeof payload !== 'string') return false;
  return name === jsonSerializer.name || (name === keyvSerializer.name && !payload.includes('"::') && !payload.includes('":base64:'));
}

function pack(name: string, payload: string | Uint8Array, packing: Packing | undefined): MaybePromise<Buffer> {
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw new CodecError(`the serializer ${name} returned ${payload === undefined ? 'nothing' : `a ${typeof payload}`} for this value`);
  }
  const content = typeof payload === 'string' ? payload : asBuffer(payload);
  if (!packing || !oversized(content, packing)) return frame(name, content);
  return then(packing.compressor.compress(typeof content === 'string' ? Buffer.from(content) : content), (packed) =>
    frame(`${name}+${packing.name}`, asBuffer(packed), typeof content === 'string'),
  );
}

function utf8(payload: Buffer): string {
  if (!isUtf8(payload)) throw new CodecError('the stored bytes are neither a frame nor UTF-8 text');
  return payload.toString();
}

function asBuffer(content: Uint8Array): Buffer {
  return Buffer.isBuffer(content) ? content : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

function unreadable(parsed: Frame | undefined): never {
  throw new CodecError(
    parsed
      ? `the stored value was written with \`${parsed.layers.replace(/[^\x20-\x7e]/g, '?')}\`, which this store has no reader for`
      : 'the stored value has a damaged header',
  );
}

/** `await` that stays synchronous where there is nothing to wait for. */
function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
