import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { check, isOptions, onlyKnown } from '../checks.js';
import { LimitError, OptionError, UnsupportedError } from '../errors.js';
import { Shares } from '../time/shares.js';
import { asBuffer, layerName, ownMemory } from './entry.js';
import type { Limits, Quota } from './limits.js';
import { type MaybePromise, then } from './serializers.js';

/** Compresses and decompresses bytes: the option `compression`. */
export interface Compressor {
  /** Stored with the values, so that only this compressor reads them: 1 to 32 letters, digits, `.`, `_` or `-`. Default `'custom'`. */
  readonly name?: string | undefined;
  compress(bytes: Buffer): MaybePromise<Uint8Array>;
  /** Must stop at `maxOutputLength` bytes, which zlib's functions take by this name. A longer result is refused. */
  decompress(bytes: Buffer, limit?: DecompressionLimit): MaybePromise<Uint8Array>;
}

/** The limit of one decompression. */
export interface DecompressionLimit {
  /** The option `maxDecompressedSize`, in bytes. */
  readonly maxOutputLength: number;
}

const run = {
  gzip: promisify(zlib.gzip),
  gunzip: promisify(zlib.gunzip),
  brotliCompress: promisify(zlib.brotliCompress),
  brotliDecompress: promisify(zlib.brotliDecompress),
};

/** Gzip at zlib's default level, off the main thread. @example compression: { algorithm: gzipCompressor, threshold: 4096 } */
export const gzipCompressor: Compressor = {
  name: 'gzip',
  compress: (bytes) => run.gzip(bytes),
  decompress: (bytes, limit) => run.gunzip(bytes, { ...limit }),
};

/** Brotli at quality 4, off the main thread. Zlib's default quality of 11 takes a hundred times as long. */
export const brotliCompressor: Compressor = {
  name: 'brotli',
  compress: (bytes) => run.brotliCompress(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  decompress: (bytes, limit) => run.brotliDecompress(bytes, { ...limit }),
};

type Zstd = (bytes: Buffer, options: Partial<DecompressionLimit>, done: (error: Error | null, result: Buffer) => void) => void;
// In Node since 22.15 and 23.8; the types of Node 20 do not know them.
const { zstdCompress, zstdDecompress } = zlib as { zstdCompress?: Zstd; zstdDecompress?: Zstd };

/** Zstandard at its default level, off the main thread. `supported`: whether Node has it, as 22.15, 23.8 and later do. */
export const zstdCompressor: Compressor & { readonly supported: boolean } = {
  name: 'zstd',
  supported: zstdCompress !== undefined && zstdDecompress !== undefined,
  compress: (bytes) => zstd(zstdCompress, bytes),
  decompress: (bytes, limit) => zstd(zstdDecompress, bytes, limit),
};

async function zstd(work: Zstd | undefined, bytes: Buffer, limit?: DecompressionLimit): Promise<Buffer> {
  if (work === undefined) throw new UnsupportedError(`zstd needs Node 22.15 or later, this is ${process.version}`);
  return promisify(work)(bytes, { ...limit });
}

/** A compression and its threshold. */
export interface CompressionOptions {
  /** `'gzip'`, `'brotli'`, `'zstd'` or your own compressor. */
  readonly algorithm: 'gzip' | 'brotli' | 'zstd' | Compressor;
  /** The minimum size of a compressed value in bytes ≥ 0. Smaller values are stored uncompressed. Default 1024. */
  readonly threshold?: number | undefined;
}

/** The options for compression. */
export interface PackingOptions {
  /**
   * Compresses values. Values of the built-in algorithms are always readable. Default: none.
   * @example compression: { algorithm: 'brotli', threshold: 2048 }
   */
  readonly compression?: CompressionOptions['algorithm'] | CompressionOptions | (Compressor & { threshold: number }) | undefined;
}

/** Compresses and decompresses payloads. */
export interface Packing {
  /** The name of the compression in the frame; `undefined` without compression. */
  readonly name: string | undefined;
  /** Whether the size of a payload calls for compression. */
  takes(payload: string | Uint8Array): boolean;
  pack(payload: Buffer): MaybePromise<Buffer>;
  /** The decompression by this name, or `undefined`. */
  unpacker(name: string): Unpack | undefined;
}

/** Decompresses a payload and decodes what comes out, which counts among the decompressions under way until it is decoded. */
type Unpack = <T>(payload: Buffer, quota: Quota | undefined, decode: (bytes: Buffer) => MaybePromise<T>) => Promise<T>;

/**
 * What decompressions under way in the process may put out together, in bytes: as large as two values of the default limit. What is
 * decompressed and waits for its turn to be decoded is among it.
 */
const decompressions = new Shares(16 * 2 ** 20);

/** A byte of gzip becomes this many at most, so that many small values are decompressed at once. The others have no such bound. */
const maxGzipRatio = 1032;

const builtIn = { gzip: gzipCompressor, brotli: brotliCompressor, zstd: zstdCompressor };

/** @throws {OptionError} for a wrong option */
export function createPacking({ compression }: PackingOptions, limits: Limits): Packing {
  const { maxDecompressedSize: limit } = limits;
  const own = compression === undefined ? undefined : ownCompression(compression);
  const compressors = new Map<string, Compressor>(Object.entries(builtIn));
  if (own) compressors.set(own.name, own.compressor);

  /** Decompresses at most what is free and what is left of the quota. */
  async function unpack({ decompress }: Compressor, payload: Buffer, quota?: Quota): Promise<Buffer> {
    const free = limits.freeBytes(payload);
    const max = quota ? Math.min(limit, Math.max(0, quota.bytes) + free) : limit;
    const tooLarge = (): LimitError =>
      new LimitError(
        max === limit
          ? `the stored value would be larger than \`maxDecompressedSize\`, ${limit} bytes`
          : 'the values of this call would be larger together than twice `maxDecompressedSize`',
      );
    if (max <= 0) throw tooLarge();
    // What is damaged makes some bytes before it fails.
    let size = Math.min(max, payload.length * maxGzipRatio);
    try {
      const bytes = await decompress(payload, { maxOutputLength: max });
      // zlib stops at the limit itself. Another compressor may not.
      size = Math.min(max, bytes.byteLength);
      if (bytes.byteLength > max) throw tooLarge();
      return asBuffer(bytes);
    } catch (error) {
      if ((error as { code?: unknown } | undefined)?.code !== 'ERR_BUFFER_TOO_LARGE') throw error;
      size = max;
      throw tooLarge();
    } finally {
      // Afterwards, for others of the call run meanwhile and most are small: so the call may exceed its quota by what runs at the same time.
      if (quota) quota.bytes -= Math.max(0, size - free);
    }
  }

  return {
    name: own?.name,
    takes(payload) {
      if (own === undefined) return false;
      const size = Buffer.byteLength(payload);
      // A larger value could not be read again.
      return size >= own.threshold && size <= limit;
    },
    pack: (payload) => then((own as NonNullable<typeof own>).compressor.compress(payload), asBuffer),
    unpacker(name) {
      const compressor = compressors.get(name);
      if (!compressor) return undefined;
      if (Object.values<Compressor>(builtIn).includes(compressor)) {
        return (payload, quota, decode) =>
          decompressions.run(compressor === gzipCompressor ? Math.min(limit, payload.length * maxGzipRatio) : limit, async () =>
            decode(await unpack(compressor, payload, quota)),
          );
      }
      // Copies for a foreign compressor: it may return or change the bytes that it was given, and keep those that it returns.
      return async (payload, quota, decode) => decode(ownMemory(await unpack(compressor, ownMemory(payload), quota)));
    },
  };
}

function ownCompression(option: NonNullable<PackingOptions['compression']>) {
  const { algorithm, threshold = 1024 } = normalized(option);
  const compressor = typeof algorithm === 'string' && Object.hasOwn(builtIn, algorithm) ? builtIn[algorithm] : (algorithm as Compressor);
  const isCompressor = typeof compressor?.compress === 'function' && typeof compressor.decompress === 'function';
  check('compression', "'gzip', 'brotli', 'zstd' or an object with compress and decompress", algorithm, isCompressor);
  check('compression.threshold', 'a number of bytes ≥ 0', threshold, typeof threshold === 'number' && threshold >= 0);
  if (compressor === zstdCompressor && !zstdCompressor.supported) {
    throw new OptionError(`expected \`compression\` to be 'gzip' or 'brotli': zstd needs Node 22.15 or later, this is ${process.version}`);
  }
  const name = compressor.name ?? 'custom';
  check('compression.name', '1 to 32 letters, digits, `.`, `_` or `-`', name, typeof name === 'string' && layerName.test(name));
  return { name, compressor, threshold };
}

/** The option in its long form. Short forms: an algorithm alone, or a compressor with a threshold on it. */
function normalized(option: NonNullable<PackingOptions['compression']>): CompressionOptions {
  if (!isOptions(option)) return { algorithm: option };
  if (!('algorithm' in option)) return 'threshold' in option ? { algorithm: option, threshold: option.threshold } : { algorithm: option };
  onlyKnown('compression', option, { algorithm: true, threshold: true } satisfies Record<keyof CompressionOptions, true>);
  return option;
}
