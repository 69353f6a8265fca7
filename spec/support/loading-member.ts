import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore, type StoreOptions } from '../../src/index.js';

/** What to ask for, how long the function takes, for how long the lease holds, and whether by a store with a near cache. */
export interface Question {
  readonly key: string;
  readonly takes: number;
  readonly lease: number;
  readonly near: boolean;
}

/** One process of many: on every message it asks fifty times for a key, tells of calls of its function, then of the answers. */
async function main(options: StoreOptions): Promise<void> {
  const common = { ...options, prefix: 'fleet', name: String(process.pid) };
  const plain = redisStore(common);
  const tracking = redisStore({ ...common, near: {} });
  process.on('message', async ({ key, takes, lease, near }: Question) => {
    const make = async () => {
      process.send?.({ called: process.pid });
      await sleep(takes);
      return { by: process.pid };
    };
    const store = near ? tracking : plain;
    const answers = await Promise.all(Array.from({ length: 50 }, () => store.getOrSet(key, make, { lease, ttl: 60_000 })));
    process.send?.({ answers: answers.map(({ by }) => by) });
  });
  await Promise.all([plain.ready(), tracking.ready()]);
  // Until what changes is told.
  while (tracking.stats().near.misses === 0) {
    await tracking.get('nothing');
    await sleep(5);
  }
  process.send?.('ready');
}

void main(JSON.parse(process.argv[2] as string));
