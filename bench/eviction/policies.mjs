// Caches that differ in what they evict. Each is made for a number of entries.
import { SieveCache } from '@neophi/sieve-cache';
import { LRUCache } from 'lru-cache';
import { newCache } from 'transitory';
import { S3Fifo } from './s3-fifo.mjs';
import { TwoQueues } from './two-queues.mjs';

const interfaceOf = (cache) => ({
  get: (key) => cache.get(key),
  set: (key, value) => cache.set(key, value),
  delete: (key) => cache.delete(key),
});

export const policies = {
  /** As the near tier creates it: bounded by entries and by bytes. */
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
  '2Q of lru-caches': (max) => interfaceOf(new TwoQueues(max)),
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
