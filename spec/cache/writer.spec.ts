import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';

describe('mset of values that take time to encode', () => {
  const ways: Readonly<Record<string, StoreOptions>> = {
    tags: { tags: () => ['t'] },
    lazyClear: { lazyClear: true },
    compression: {
      compression: { name: 'slow', threshold: 0, compress: async (bytes: Buffer) => bytes, decompress: async (bytes: Buffer) => bytes },
    },
  };
  for (const [title, options] of Object.entries(ways)) {
    it(`is pipelined as any other: ${title}`, async () => {
      const store = openStore({ ...options, maxPending: 100 });
      const entries = Array.from({ length: 5000 }, (_, i) => [`k${i}`, i, 60_000] as const);
      expect((await cacheOf(store).writer.setMany(entries)).every(Boolean)).to.equal(true);
      expect(store.errors).to.deep.equal([]);
      expect(await store.mget('k0', 'k4999')).to.deep.equal([0, 4999]);
    });
  }

  it('keeps the order of calls on its keys, and fails for a value that cannot be encoded alone', async () => {
    const store = openStore(ways['tags']);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const before = store.set('a', 'before');
    const many = cacheOf(store).writer.setMany([
      ['a', 'many'],
      ['b', circular],
      ['c', 'many'],
    ]);
    const read = store.mget('a', 'c');
    const after = store.set('c', 'after');
    expect(await many).to.deep.equal([true, false, true]);
    expect(await read).to.deep.equal(['many', 'many']);
    await Promise.all([before, after]);
    expect(await store.get('c')).to.equal('after');
  });
});
