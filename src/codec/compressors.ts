import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { UnsupportedError } from '../errors.js';
import type { MaybePromise } from './serializers.js';

/** Makes bytes smaller and back again. */
export interface Compressor {
  /** Written in front of stored values so that no other compression reads them. Default `'custom'`. */
  readonly name?: string | undefined;
  compress(bytes: Buffer): MaybePromise<Uint8Array>;
  /** Shall give no more than `maxOutputLength` bytes, by the name that zlib's functions have for it; what is longer is refused. */
  decompress(bytes: Buffer, limit?: DecompressionLimit): MaybePromise<Uint8Array>;
}

/** How much decompressing may give: the option `maxDecompressedSize`. */
export interface DecompressionLimit {
  /** Bytes. */
  readonly maxOutputLength: number;
}

const run = {
  gzip: promisify(zlib.gzip),
  gunzip: promisify(zlib.gunzip),
  brotliCompress: promisify(zlib.brotliCompress),
  brotliDecompress: promisify(zlib.brotliDecompress),
};

/** Gzip at zlib's default level, off the main thread. */
export const gzipCompressor: Compressor = {
  name: 'gzip',
  compress: (bytes) => run.gzip(bytes),
  decompress: (bytes, limit) => run.gunzip(bytes, { ...limit }),
};

/** Brotli at quality 4: the default of 11 is made for files compressed once, and takes a hundred times as long. */
export const brotliCompressor: Compressor = {
  name: 'brotli',
  compress: (bytes) =>
    run.brotliCompress(bytes, {
      params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 },
    }),
  decompress: (bytes, limit) => run.brotliDecompress(bytes, { ...limit }),
};

type Zstd = (bytes: Buffer, options: Partial<DecompressionLimit>, done: (error: Error | null, result: Buffer) => void) => void;
// In Node since 22.15 and 23.8; the types of Node 20 do not know them.
const { zstdCompress, zstdDecompress } = zlib as {
  zstdCompress?: Zstd;
  zstdDecompress?: Zstd;
};

/** Zstandard at its default level, where Node has it (22.15, 23.8 and later): see `supported`. */
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
