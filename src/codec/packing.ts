import { constants } from 'node:buffer';
import { CodecError, expected, OptionError } from '../errors.js';
import { isOptions, onlyKnown } from '../known-names.js';
import { asBuffer } from './bytes.js';
import { brotliCompressor, type Compressor, gzipCompressor, zstdCompressor } from './compressors.js';
import { layerName } from './frame.js';
import { type MaybePromise, then } from './serializers.js';

export interface CompressionOptions {
  /** `'gzip'`, `'brotli'`, `'zstd'` or one of your own. */
  readonly algorithm: 'gzip' | 'brotli' | 'zstd' | Compressor;
  /** Values of fewer bytes are stored as they are. Default 1024. */
  readonly threshold?: number | undefined;
}

/** The options that {@link createPacking} understands. */
export interface PackingOptions {
  /** Default: none. Values compressed with a built-in algorithm are read whatever is set here. */
  readonly compression?: CompressionOptions['algorithm'] | CompressionOptions | (Compressor & { threshold: number }) | undefined;
  /**
   * The most bytes that decompressing one value may give, so that a few stored bytes cannot fill the memory: what would be
   * larger is a miss and an `error` event. Larger values are stored uncompressed. Default 64 MiB.
   */
  readonly maxDecompressedSize?: number | undefined;
}

/** How payloads are made smaller, which ones, and how they are read again. */
export interface Packing {
  /** What the frame is told; `undefined` where nothing is compressed. */
  readonly name: string | undefined;
  /** Whether a payload is of a size that is compressed. */
  takes(payload: string | Uint8Array): boolean;
  pack(payload: Buffer): MaybePromise<Buffer>;
  /** The way back for what was packed under this name; `undefined` where there is none. */
  unpacker(name: string): ((payload: Buffer) => MaybePromise<Buffer>) | undefined;
}

const builtIn = { gzip: gzipCompressor, brotli: brotliCompressor, zstd: zstdCompressor };
const mebibyte = 2 ** 20;

export function createPacking({ compression, maxDecompressedSize: limit = 64 * mebibyte }: PackingOptions): Packing {
  if (!Number.isInteger(limit) || limit < 1 || limit > constants.MAX_LENGTH) {
    throw new OptionError(expected('maxDecompressedSize', `an integer of bytes from 1 to ${constants.MAX_LENGTH}`, limit));
  }
  const own = compression === undefined ? undefined : ownCompression(compression);
  const compressors = new Map<string, Compressor>(Object.entries(builtIn));
  if (own) compressors.set(own.name, own.compressor);
  const tooLarge = (): CodecError => new CodecError(`the stored value would be larger than \`maxDecompressedSize\`, ${limit} bytes`);
  const failed = (error: unknown): never => {
    throw (error as { code?: unknown } | undefined)?.code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge() : error;
  };
  const checked = (bytes: Uint8Array): Buffer => {
    // zlib stops as soon as it is past the limit. A compression of somebody else's may not have looked at it.
    if (bytes.byteLength > limit) throw tooLarge();
    return asBuffer(bytes);
  };

  return {
    name: own?.name,
    takes(payload) {
      if (own === undefined) return false;
      const size = Buffer.byteLength(payload);
      // What would be too large to be read is written as it is.
      return size >= own.threshold && size <= limit;
    },
    pack: (payload) => then((own as Own).compressor.compress(payload), asBuffer),
    unpacker(name) {
      const compressor = compressors.get(name);
      if (!compressor) return undefined;
      return (payload) => {
        try {
          const unpacked = then(compressor.decompress(payload, { maxOutputLength: limit }), checked);
          return unpacked instanceof Promise ? unpacked.catch(failed) : unpacked;
        } catch (error) {
          return failed(error);
        }
      };
    },
  };
}

interface Own {
  readonly name: string;
  readonly compressor: Compressor;
  readonly threshold: number;
}

function ownCompression(option: NonNullable<PackingOptions['compression']>): Own {
  const { algorithm, threshold = 1024 } = apart(option);
  const compressor = typeof algorithm === 'string' && Object.hasOwn(builtIn, algorithm) ? builtIn[algorithm] : (algorithm as Compressor);
  if (typeof compressor?.compress !== 'function' || typeof compressor.decompress !== 'function') {
    throw new OptionError(expected('compression', "'gzip', 'brotli', 'zstd' or an object with compress and decompress", algorithm));
  }
  if (!(typeof threshold === 'number' && threshold >= 0)) {
    throw new OptionError(expected('compression.threshold', 'a number of bytes ≥ 0', threshold));
  }
  if (compressor === zstdCompressor && !zstdCompressor.supported) {
    throw new OptionError(`expected \`compression\` to be 'gzip' or 'brotli': zstd needs Node 22.15 or later, this is ${process.version}`);
  }
  const name = compressor.name ?? 'custom';
  if (typeof name !== 'string' || !layerName.test(name)) {
    throw new OptionError(expected('compression.name', '1 to 32 letters, digits, `.`, `_` or `-`', name));
  }
  return { name, compressor, threshold };
}

/** What compresses, and from which size: named apart, as one object, or the compressor alone. */
function apart(option: NonNullable<PackingOptions['compression']>): CompressionOptions {
  if (!isOptions(option) || !('algorithm' in option)) return { algorithm: option, ...thresholdOf(option) };
  onlyKnown('compression', option, { algorithm: true, threshold: true } satisfies Record<keyof CompressionOptions, true>);
  return option;
}

/** `compression: { compress, decompress, threshold }` is as good as naming it apart. */
function thresholdOf(option: string | Compressor): { threshold?: number } {
  return isOptions(option) && 'threshold' in option ? { threshold: option.threshold as number } : {};
}
