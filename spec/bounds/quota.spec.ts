import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import { frame, StoredEntry } from '../../src/codec/entry.js';
import { LimitError } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';

const rows = Array.from({ length: 1000 }, (_, i) => ({ id: i, name: `name of the article ${i}`, price: i * 3 }));
const damaged = (name: string): Buffer => frame(`keyv+${name}`, Buffer.from('garbage garbage garbage'), true);

describe('what the values of one call may take together', () => {
  for (const [what, options] of Object.entries({ plain: {}, gzip: { compression: 'gzip' }, brotli: { compression: 'brotli' } } as const)) {
    it(`is no bound to ordinary values: 2000 of 56 kB are read, ${what}`, async () => {
      const codec = createCodecs(options as CodecOptions).values;
      const entry = StoredEntry.parse(codec.seal(await codec.encode(rows), 'k', undefined));
      const quota = codec.newQuota?.(2000);
      for (let i = 0; i < 20; i++) {
        const values = await Promise.all(Array.from({ length: 100 }, async () => codec.decode(entry, 'k', quota)));
        expect(values.every((value) => (value as unknown[]).length === 1000)).to.equal(true);
      }
    }).timeout(60_000);
  }

  it('is none in a store either', async () => {
    const store = openStore({ location: 'memory:', timeout: 20_000 });
    const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
    await store.mset(keys.map((key) => [key, rows] as const));
    expect((await store.mget(...keys)).filter((value) => value === undefined)).to.deep.equal([]);
    expect(store.errors).to.deep.equal([]);
  });

  it('is taken by values that become much more than they are: the others are still read', async () => {
    const zeros = Buffer.from(JSON.stringify('0'.repeat(7 * 2 ** 20)));
    const objects = Buffer.from(`[${'{},'.repeat(90_000)}{}]`);
    const good = StoredEntry.parse(frame('keyv+gzip', gzipSync(JSON.stringify(rows)), true));
    const bombs = {
      gzip: frame('keyv+gzip', gzipSync(zeros), true),
      brotli: frame('keyv+brotli', brotliCompressSync(zeros), true),
      objects,
    };
    for (const [what, bomb] of Object.entries(bombs)) {
      const codec = createCodecs({}).values;
      const quota = codec.newQuota?.(30);
      const entry = StoredEntry.parse(bomb);
      let read = 0;
      for (let i = 0; i < 30; i++) {
        const value = await Promise.resolve()
          .then(() => codec.decode(entry, 'k', quota))
          .catch((error: unknown) => error);
        if (!(value instanceof LimitError)) read++;
      }
      expect(read, what).to.be.within(2, 10);
      expect(await codec.decode(good, 'k', quota), what).to.deep.equal(rows);
    }
  });

  it('is not taken by values that cannot be decompressed', async () => {
    const codec = createCodecs({}).values;
    const quota = codec.newQuota?.(10);
    const before = quota?.bytes as number;
    for (const name of ['gzip', 'brotli', 'zstd']) {
      for (let i = 0; i < 10; i++) {
        const entry = StoredEntry.parse(damaged(name));
        expect(await rejection(Promise.resolve().then(() => codec.decode(entry, 'k', quota)))).to.be.instanceOf(Error);
      }
    }
    expect(quota?.bytes).to.be.within(before - 2 ** 20, before);
  });

  it('leaves each value its own limits, however short it is', async () => {
    const codec = createCodecs({ maxContainers: 100 }).values;
    const entry = StoredEntry.parse(Buffer.from(`[${'{},'.repeat(20_000)}{}]`));
    expect(entry.payload.length).to.be.below(64 * 1024);
    expect(await rejection(Promise.resolve().then(() => codec.decode(entry, 'k')))).to.be.an.instanceOf(LimitError);
  });
});
