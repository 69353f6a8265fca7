import { expect } from 'chai';
import { frame, StoredEntry } from '../../src/codec/entry.js';
import { never } from '../../src/commands/commands.js';
import { type Fill, NearTier } from '../../src/near/tier.js';
import { closing } from '../support/open.js';

describe('the near tier and answers larger than `near.maxBytes`', () => {
  function open(): NearTier {
    const tier = new NearTier({ max: 10, maxBytes: 2 ** 20, ttl: 60_000, freeze: false, maxStaleness: 0 }, 1000);
    closing({ disconnect: async () => tier.close() });
    tier.started();
    return tier;
  }

  it('holds none of them, and no longer what it held under the key', () => {
    const tier = open();
    for (const [size, held] of [
      [1000, true],
      [2 ** 21, false],
      [2 ** 20, false],
    ] as const) {
      tier.complete(tier.begin('k') as Fill, StoredEntry.parse(frame('bytes', Buffer.alloc(size))), never);
      expect(tier.find('k') !== undefined, String(size)).to.equal(held);
    }
  });

  it('does not copy them', () => {
    const tier = open();
    const answer = StoredEntry.parse(frame('bytes', Buffer.alloc(16 * 2 ** 20)));
    const before = process.memoryUsage().arrayBuffers;
    for (const key of ['a', 'b', 'c']) tier.complete(tier.begin(key) as Fill, answer, never);
    expect((process.memoryUsage().arrayBuffers - before) / 2 ** 20).to.be.below(8);
  });
});
