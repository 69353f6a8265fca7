import { createHook } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { brotliCompressSync } from 'node:zlib';
import { expect } from 'chai';
import { createCodecs } from '../../src/codec/codec.js';
import { frame, StoredEntry } from '../../src/codec/entry.js';

const content = randomBytes(2000).toString('base64');
const plain = StoredEntry.parse(frame('slow', `plain ${content}`));
const packed = StoredEntry.parse(frame('slow+brotli', brotliCompressSync(content), true));

/** Decodes ten plain values and 20 compressed ones at once. How many of these were at most decompressed, or about to be, and not decoded. */
async function mostDecompressed(parse: (text: string) => unknown): Promise<number> {
  let begun = 0;
  let decoded = 0;
  let most = 0;
  const hook = createHook({
    init: (_, type) => {
      if (type === 'ZLIB') begun++;
    },
  }).enable();
  try {
    const slow = {
      name: 'slow',
      stringify: JSON.stringify,
      parse(text: string) {
        most = Math.max(most, begun - decoded);
        if (!text.startsWith('plain')) decoded++;
        return parse(text);
      },
    };
    const codec = createCodecs({ readable: [slow] }).values;
    const quota = codec.newQuota?.(30);
    const entries = [...Array<StoredEntry>(10).fill(plain), ...Array<StoredEntry>(20).fill(packed)];
    await Promise.all(entries.map(async (entry) => codec.decode(entry, 'k', quota)));
    return most;
  } finally {
    hook.disable();
  }
}

describe('decompressed content that waits to be decoded', () => {
  it('counts among what is decompressed at once: two values of brotli, however long decoding takes', async () => {
    const most = await mostDecompressed((text) => {
      // Longer than what is decoded in one turn, so that the others wait.
      for (const end = performance.now() + 25; performance.now() < end; );
      return text.length;
    });
    expect(most).to.be.within(1, 2);
  });

  it('makes room once it is decoded, also by a serializer whose promise never settles', async () => {
    let count = 0;
    const all = new Promise<void>((done) => {
      void mostDecompressed(() => {
        if (++count === 30) done();
        return new Promise(() => {});
      });
    });
    await all;
  });
});
