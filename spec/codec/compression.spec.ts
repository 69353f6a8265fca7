import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { expect } from 'chai';
import { createCodecs } from '../../src/codec/codec.js';
import { frame } from '../../src/codec/entry.js';
import { type CodecOptions, type DecompressionLimit, OptionError, zstdCompressor } from '../../src/index.js';
import { onBytes } from '../support/codec.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { amount } from '../support/whole.js';
import { rawClient } from '../support/wire.js';

const mebibyte = 2 ** 20;
const bombSize = amount({ some: 96, all: 192 }) * mebibyte;
const limit = 4 * mebibyte;
/** The limit of what reading a bomb may take. */
const bounded = limit + 32 * mebibyte;

/** A few stored bytes that say they are so many zeros, made without having these in memory. */
async function bomb(compress: NodeJS.ReadWriteStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const done = new Promise((resolve, reject) => compress.on('end', resolve).on('error', reject));
  compress.on('data', (chunk: Buffer) => chunks.push(chunk));
  const zeros = Buffer.alloc(mebibyte);
  for (let i = 0; i < bombSize; i += mebibyte) {
    if (!compress.write(zeros)) await new Promise((resolve) => compress.once('drain', resolve));
  }
  compress.end();
  await done;
  return Buffer.concat(chunks);
}

/** The most by which memory outside of the heap grew while the work went on; what is collected meanwhile lowers the ground. */
async function peakOf(work: Promise<unknown>): Promise<number> {
  let ground = process.memoryUsage().external;
  let peak = 0;
  let going = true;
  const settled = work
    .catch(() => {})
    .finally(() => {
      going = false;
    });
  while (going) {
    const { external } = process.memoryUsage();
    ground = Math.min(ground, external);
    peak = Math.max(peak, external - ground);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await settled;
  return peak;
}

const createZstdCompress = (zlib as { createZstdCompress?: () => NodeJS.ReadWriteStream }).createZstdCompress;
const zstdDecompress = (zlib as { zstdDecompress?: typeof zlib.gunzip }).zstdDecompress;
const algorithms = {
  gzip: { compress: () => zlib.createGzip({ level: 1 }), unbounded: promisify(zlib.gunzip) },
  brotli: {
    compress: () => zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
    unbounded: promisify(zlib.brotliDecompress),
  },
  ...(zstdCompressor.supported && createZstdCompress && zstdDecompress
    ? { zstd: { compress: createZstdCompress, unbounded: promisify(zstdDecompress) } }
    : {}),
};

describe('decompression', () => {
  for (const [name, { compress, unbounded }] of Object.entries(algorithms)) {
    it(`stops at maxDecompressedSize: a ${name} bomb is a miss and an error event, and memory stays bounded`, async () => {
      const packed = await bomb(compress());
      expect(packed.length).to.be.below(mebibyte);
      const store = openStore({ maxDecompressedSize: limit, timeout: 10_000 });
      const redis = await rawClient(sharedServer());
      const redisKey = cacheOf(store).context.keys.toRedisKey('bomb');
      await redis.set(redisKey, frame(`json+${name}`, packed, true));
      await redis.expire(redisKey, 60);
      redis.destroy();

      expect(await peakOf(store.get('bomb'))).to.be.below(bounded);
      expect(await store.get('bomb')).to.equal(undefined);
      expect(await store.mget('bomb', 'missing')).to.deep.equal([undefined, undefined]);
      expect(store.errors.map(({ code, operation, key }) => [code, operation, key])).to.deep.equal([
        ['ERR_LIMIT', 'get', 'bomb'],
        ['ERR_LIMIT', 'get', 'bomb'],
        ['ERR_LIMIT', 'mget', 'bomb'],
      ]);
      expect(store.errors[0]?.message).to.equal(`the stored value would be larger than \`maxDecompressedSize\`, ${limit} bytes`);
      // Without the bound it takes more: the measure measures. All of it, but that is only looked at now and then.
      expect(await peakOf(unbounded(packed))).to.be.above(bounded);
    });
  }

  const decoded = async (options: CodecOptions, value: unknown, reading: CodecOptions = options): Promise<unknown> =>
    onBytes(createCodecs(reading).values).decode(Buffer.from((await createCodecs(options).values.encode(value)) as string));

  it('reads what is exactly as large as the bound, and nothing larger', async () => {
    const text = 'x'.repeat(998);
    const compression = { algorithm: 'gzip', threshold: 0 } as const;
    expect(await decoded({ compression, maxDecompressedSize: 1000 }, text)).to.equal(text);
    const failure = await decoded({ compression }, text, { maxDecompressedSize: 999 }).catch((error) => error);
    expect(failure).to.include({ code: 'ERR_LIMIT' });
  });

  it('writes what is larger uncompressed, so that it can be read', async () => {
    const options: CodecOptions = { compression: { algorithm: 'gzip', threshold: 0 }, maxDecompressedSize: 100 };
    for (const value of ['x'.repeat(500), Buffer.alloc(500, 1)]) expect(await decoded(options, value)).to.deep.equal(value);
  });

  it('tells a compression of the user’s own the bound, and checks what it gives', async () => {
    const told: unknown[] = [];
    const blind = (give: (bytes: Buffer) => Promise<Buffer> | Buffer) => ({
      name: 'own',
      threshold: 0,
      compress: (bytes: Buffer) => bytes,
      decompress(bytes: Buffer, bound?: DecompressionLimit) {
        told.push(bound);
        return give(bytes);
      },
    });
    for (const give of [(bytes: Buffer) => Buffer.concat([bytes, bytes]), async (bytes: Buffer) => Buffer.concat([bytes, bytes])]) {
      const failure = await decoded({ compression: blind(give), maxDecompressedSize: 10 }, 'sixsix').catch((error) => error);
      expect((failure as Error).message).to.match(/`maxDecompressedSize`, 10 bytes/);
    }
    expect(told).to.deep.equal([{ maxOutputLength: 10 }, { maxOutputLength: 10 }]);
  });

  it('refuses a bound that is none', () => {
    for (const maxDecompressedSize of [0, -1, 1.5, Number.POSITIVE_INFINITY, Number.NaN, '5', null] as never[]) {
      expect(() => createCodecs({ maxDecompressedSize })).to.throw(OptionError, 'expected `maxDecompressedSize` to be an integer');
    }
  });
});
