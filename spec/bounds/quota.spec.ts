import { serialize } from 'node:v8';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import * as msgpackr from 'msgpackr';
import { type CodecOptions, createCodecs } from '../../src/codec/codec.js';
import { frame, StoredEntry } from '../../src/codec/entry.js';
import { LimitError, msgpackSerializer, v8Serializer } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';
import { amount } from '../support/whole.js';

const rows = Array.from({ length: 1000 }, (_, i) => ({ id: i, name: `name of the article ${i}`, price: i * 3 }));
const ordinary = amount({ some: 500, all: 2000 });
const damaged = (name: string): Buffer => frame(`keyv+${name}`, Buffer.from('garbage garbage garbage'), true);

describe('what the values of one call may take together', () => {
  for (const [what, options] of Object.entries({ plain: {}, gzip: { compression: 'gzip' }, brotli: { compression: 'brotli' } } as const)) {
    it(`is no bound to ordinary values: ${ordinary} of 56 kB are read, ${what}`, async () => {
      const codec = createCodecs(options as CodecOptions).values;
      const entry = StoredEntry.parse(codec.seal(await codec.encode(rows), 'k', undefined));
      const quota = codec.newQuota?.(ordinary);
      for (let i = 0; i < ordinary / 100; i++) {
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

  it('is taken by room that stays empty: below the index of a member, and in Maps and Sets', async () => {
    const sparse = Array.from({ length: 500 }, () => ({ 1023: 0 }));
    const many = Array.from({ length: 50_000 }, () => []);
    const hashed = { maps: many.map(() => new Map()), sets: many.map(() => new Set()) };
    const msgpack = msgpackSerializer(new msgpackr.Packr({ moreTypes: true }));
    const packed = Buffer.from([0xdd, 0, 0, 500 >> 8, 500 & 255, ...Array(500).fill([0x81, 0xcd, 3, 0xff, 0]).flat()]);
    const sets = Buffer.from([0xdd, 0, 0, 60_000 >> 8, 60_000 & 255, ...Array(60_000).fill([0xd4, 0x73, 0, 0x90]).flat()]);
    const entries = {
      'v8, indexes': frame('v8', serialize(sparse)),
      'v8, Maps': frame('v8', serialize(hashed.maps)),
      'v8, Sets': frame('v8', serialize(hashed.sets)),
      'msgpack, indexes': frame('msgpack', packed),
      'msgpack, Sets': frame('msgpack', sets),
    };
    for (const [what, bytes] of Object.entries(entries)) {
      const codec = createCodecs({ readable: [v8Serializer, msgpack] }).values;
      const quota = codec.newQuota?.(100);
      const entry = StoredEntry.parse(bytes);
      const read = async (): Promise<unknown> => codec.decode(entry, 'k', quota);
      const values = await Promise.allSettled(Array.from({ length: 10 }, read));
      // Each takes six to ten megabytes.
      expect(values.filter(({ status }) => status === 'fulfilled').length, what).to.be.within(1, 4);
      expect(await codec.decode(entry, 'k'), what).to.be.an('array');
    }
  });

  it('is not taken by Sets of a few short strings, however many they are', async () => {
    const codec = createCodecs({ serializer: v8Serializer }).values;
    const quota = codec.newQuota?.(30);
    const sets = Array.from({ length: 10_000 }, () => new Set(['alpha', 'beta', 'gamma']));
    const entry = StoredEntry.parse(frame('v8', serialize(sets)));
    for (let i = 0; i < 30; i++) expect(await codec.decode(entry, 'k', quota)).to.have.length(10_000);
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
