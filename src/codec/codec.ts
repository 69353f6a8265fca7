import { CacheError, CodecError } from '../errors.js';
import { withMessage } from '../messages.js';
import { createPacking, type Packing, type PackingOptions } from './compression.js';
import { type EncryptionOptions, encrypting } from './encryption.js';
import { agingLayer, asBuffer, type Frame, frame, isFramed, parseFrame, type Stored, tagLayer, withHeader } from './entry.js';
import { type LimitOptions, Limits } from './limits.js';
import { type Decoded, Reading, textOf } from './reading.js';
import {
  bytesFormat,
  type Codec,
  isPlainJson,
  jsonSerializer,
  keyvSerializer,
  type MaybePromise,
  type PayloadCodec,
  parseSerializers,
  readableFormats,
  type Serializer,
  textFormat,
  then,
  utf16Format,
  v8Serializer,
} from './serializers.js';
import { holdsExactNumbers, isPlain, refuseUnclonable, refuseUnstorable } from './storable.js';

/** The options for how values become bytes. */
export interface CodecOptions extends PackingOptions, LimitOptions {
  /**
   * Encodes and decodes values. Default {@link keyvSerializer}. An array writes with its first member and reads with all, for a change
   * from one serializer to another. JSON is always readable.
   * @example serializer: v8Serializer
   */
  readonly serializer?: Serializer | readonly [Serializer, ...Serializer[]] | undefined;
  /**
   * Serializers that are read besides, for values of earlier settings and of other stores. What none of the options names is a miss with an
   * `error` event: a client that can write to Redis chooses which reader applies. Default: none.
   * @example readable: [v8Serializer]
   */
  readonly readable?: readonly Serializer[] | undefined;
  /**
   * Encrypts values with AES-256-GCM, bound to their keys. Default: none.
   * @example encryption: { keys: [{ id: '2025', key: process.env.CACHE_KEY }] }
   */
  readonly encryption?: EncryptionOptions | undefined;
}

/** The codecs of a store: for values, and for what Keyv passes on. `isText`: whether Keyv can read a text. @throws {OptionError} */
export function createCodecs(options: CodecOptions, isText: (text: string) => boolean = () => true): { values: Codec; raw: Codec } {
  const { serializer = keyvSerializer } = options;
  const own = parseSerializers(serializer, options.readable);
  const [writer] = own;
  const writesJson = writer.name === jsonSerializer.name || writer.name === keyvSerializer.name;
  const limits = new Limits(options);
  const packing = createPacking(options, limits);
  const formats = readableFormats(own);
  const read = new Reading(limits);

  function decodeFramed(stored: Buffer): MaybePromise<unknown> {
    const parsed = parseFrame(stored);
    const [name = '', packed, more] = parsed?.layers.split('+') ?? [];
    const reader = formats.get(name);
    if (!parsed || !reader || more !== undefined) return unreadable(parsed);
    const { quota } = read;
    if (packed === undefined) return then(read.framed(reader, parsed, parsed.payload, quota), unboxed);
    const unpack = packing.unpacker(packed);
    if (!unpack) return unreadable(parsed);
    return unpack(parsed.payload, quota, (payload) => read.framed(reader, parsed, payload, quota)).then(unboxed);
  }

  const values: PayloadCodec = {
    encode(value) {
      // Integers stay integers, so that INCR works on them.
      if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
      if (Buffer.isBuffer(value)) return pack(bytesFormat.name, value, packing);
      // The fast path of the default.
      if (serializer === keyvSerializer && packing.name === undefined && isPlain(value)) return limits.written(JSON.stringify(value));
      if (writesJson && ArrayBuffer.isView(value)) return pack(bytesFormat.name, asBuffer(value), packing);
      // The default serializer checks every member itself.
      if (writer.name === v8Serializer.name) refuseUnclonable(value);
      else if (writer.name === jsonSerializer.name || value instanceof Promise) refuseUnstorable(value);
      return then(writer.encode(value), (payload) => {
        limits.written(payload, writer.skim);
        if (isPlainJson(writer.name, payload) && !packing.takes(payload)) return payload;
        return pack(writer.name, payload, packing);
      });
    },
    decode(stored) {
      if (isFramed(stored)) return decodeFramed(stored as Buffer);
      // Written out: most values are short, and a near hit costs little else.
      return read.isShort(stored) ? JSON.parse(textOf(stored)) : read.text(stored, JSON.parse);
    },
  };
  const raw: PayloadCodec = {
    encode(value) {
      if (typeof value === 'string') {
        limits.written(value);
        if (!value.isWellFormed()) return pack(utf16Format.name, Buffer.from(value, 'utf16le'), packing);
        return packing.takes(value) ? pack(textFormat.name, value, packing) : value;
      }
      if (Buffer.isBuffer(value)) return pack(bytesFormat.name, value, packing);
      return then(writer.encode(value), (payload) => pack(writer.name, limits.written(payload, writer.skim), packing));
    },
    decode(stored) {
      if (isFramed(stored)) return decodeFramed(stored as Buffer);
      return read.text(stored, (text) => {
        // Decrypted text is always our own.
        if (options.encryption === undefined && !isText(text)) throw new CodecError('the stored text is no entry of a Keyv');
        return text;
      });
    },
  };
  const entries = options.encryption === undefined ? plain : encrypting(options.encryption, rewritten);
  const sized = (payload: Stored): Stored => {
    limits.checkSize(payload);
    return payload;
  };
  const whole = ({ encode, decode }: PayloadCodec): Codec => {
    const encodeSized = (value: unknown): MaybePromise<Stored> => then(encode(value), sized);
    return guarded(entries({ encode: encodeSized, decode }), limits, read);
  };
  return { values: whole(values), raw: whole(raw) };
}

const unboxed = ({ value }: Decoded): unknown => value;

/** The codec of entries that are not encrypted. */
const plain = (codec: PayloadCodec): Codec => ({
  encode: codec.encode,
  seal: (payload, _, header) => withHeader(header, payload),
  decode: ({ payload }) => codec.decode(payload),
  reencode: ({ payload, header }) => then(rewritten(codec, payload), (better) => better && withHeader(header, better)),
  encrypted: false,
});

/** The payload that the codec would write for the same value, or `undefined` if it is the same, or the same JSON in another format. */
function rewritten({ encode, decode }: PayloadCodec, payload: Stored): MaybePromise<Stored | undefined> {
  // To rewrite plain JSON would only change its format.
  const same = (other: Stored): boolean =>
    (!isFramed(payload) && !isFramed(other)) || Buffer.from(payload as string).equals(Buffer.from(other as string));
  return then(decode(payload), (value) => {
    // JavaScript cannot hold these digits: they stay as they are.
    if (!isFramed(payload) && value !== String(payload) && !holdsExactNumbers(String(payload))) return undefined;
    return then(encode(value), (written) => (same(written) ? undefined : written));
  });
}

/**
 * The codec with a bound on the size of what is read, and on what the values of one call take together. Every error of a serializer,
 * compression or cipher, thrown or rejected, becomes a CodecError. Without a closure for each call: it is much of what a near hit costs.
 */
function guarded(codec: Codec, limits: Limits, read: Reading): Codec {
  const failEncoding = (error: unknown): never => {
    throw encodeError(error);
  };
  const failDecoding = (error: unknown): never => {
    throw decodeError(error);
  };
  return {
    ...codec,
    newQuota: (values) => limits.newQuota(values),
    encode(value) {
      try {
        const payload = codec.encode(value);
        return payload instanceof Promise ? payload.catch(failEncoding) : payload;
      } catch (error) {
        return failEncoding(error);
      }
    },
    decode(entry, redisKey, quota) {
      read.quota = quota;
      try {
        limits.checkSize(entry.payload, codec.encrypted);
        const value = codec.decode(entry, redisKey);
        return value instanceof Promise ? value.catch(failDecoding) : value;
      } catch (error) {
        return failDecoding(error);
      } finally {
        read.quota = undefined;
      }
    },
    reencode(entry, redisKey) {
      try {
        limits.checkSize(entry.payload, codec.encrypted);
        const better = codec.reencode(entry, redisKey);
        return better instanceof Promise ? better.catch(failDecoding) : better;
      } catch (error) {
        return failDecoding(error);
      }
    },
  };
}

function pack(name: string, payload: string | Uint8Array, packing: Packing): MaybePromise<Buffer> {
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw new CodecError(`the serializer ${name} returned ${payload === undefined ? 'nothing' : `a ${typeof payload}`} for this value`);
  }
  const content = typeof payload === 'string' ? payload : asBuffer(payload);
  if (!packing.takes(content)) return frame(name, content);
  // A copy: the caller may change its bytes during compression.
  return then(packing.pack(Buffer.from(content as string)), (packed) =>
    frame(`${name}+${packing.name}`, packed, typeof content === 'string'),
  );
}

function unreadable(parsed: Frame | undefined): never {
  // The frames of tags and of an age are removed before, if they are whole.
  if (!parsed || parsed.layers === tagLayer || parsed.layers.startsWith(agingLayer))
    throw new CodecError('the stored value has a damaged header');
  throw new CodecError(
    `the stored value was written with \`${parsed.layers}\`, which this store has no reader for: name it in the option \`readable\``,
  );
}

/** The error of a failed encoding as a CodecError. */
export function encodeError(error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  // The message of structured clone quotes the value, even the source of a function.
  if (error instanceof Error && error.message.endsWith(' could not be cloned.')) {
    return new CodecError('the value cannot be encoded: a part of it cannot be cloned', { cause: withMessage(error, '') });
  }
  return new CodecError(`the value cannot be encoded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

/** The error of a failed decoding as a CodecError. Parsers quote the text, as JSON.parse does, so only the kind of error and its stack pass. */
export function decodeError(error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  const { name, code } = (error instanceof Error ? error : {}) as { name?: string; code?: unknown };
  const kind = typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? code : (name ?? 'not an Error');
  return new CodecError(`the stored value cannot be decoded: ${kind}`, error instanceof Error ? { cause: withMessage(error, '') } : {});
}
