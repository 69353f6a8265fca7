// Caches that differ in what they evict. Each is made for a number of entries.
import { SieveCache } from '@neophi/sieve-cache';
import { LRUCache } from 'lru-cache';
import { newCache } from 'transitory';
import { TwoQueues } from '../../.cache/modules/near/two-queues.js';
import { S3Fifo } from './s3-fifo.mjs';

const interfaceOf = (cache) => ({
  get: (key) => cache.get(key),
  set: (key, value) => cache.set(key, value),
  delete: (key) => cache.delete(key),
});

/** An entry of the near tier, without a copy of the bytes. */
const newEntry = (bytes) => ({
  entry: { found: true, bytes },
  deadline: Number.POSITIVE_INFINITY,
  used: Number.NEGATIVE_INFINITY,
  uses: 0,
  value: undefined,
  isShared: false,
  isEvicted: false,
});

export const policies = {
  /** Bounded by entries and by bytes, as the near tier is. */
  LRU: (max) =>
    interfaceOf(
      new LRUCache({
        max,
        maxSize: 64 * 2 ** 20,
        sizeCalculation: (value, key) => 128 + key.length + value.length,
        dispose: () => {},
      }),
    ),
  SIEVE: (max) => interfaceOf(new SieveCache(max)),
  'S3-FIFO': (max) => interfaceOf(new S3Fifo(max)),
  /** That of the near tier itself. Each use comes long enough after the last one to be noted, as in the others. */
  '2Q'(max) {
    const queues = new TwoQueues({ max, maxBytes: 64 * 2 ** 20 });
    let now = 0;
    return {
      get(key) {
        now += 1000;
        return queues.get(key, now)?.entry.bytes;
      },
      set: (key, bytes) => queues.set(key, newEntry(bytes)),
      delete: (key) => queues.delete(key),
    };
  },
  'W-TinyLFU'(max) {
    // It holds a hundredth more than its bound between evictions.
    const cache = newCache()
      .maxSize(Math.floor(max / 1.01))
      .build();
    return {
      ...interfaceOf(cache),
      get: (key) => cache.getIfPresent(key) ?? undefined,
      // Ends its timer.
      clear: () => cache.clear(),
    };
  },
};
