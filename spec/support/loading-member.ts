import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisStore, redisStore, type StoreOptions } from '../../src/index.js';

/** What to ask for, how long the function takes, for how long the lease holds, and whether by a store with a near cache. */
export interface Question {
  readonly key: string;
  readonly takes: number;
  readonly lease: number;
  readonly near: boolean;
}

/** Where to ask from now on. */
export interface Move {
  readonly options: StoreOptions;
}

interface Stores {
  readonly plain: RedisStore;
  readonly tracking: RedisStore;
}

/** One process of many: on every question it asks fifty times for a key, tells of calls of its function, then of the answers. */
function main(): void {
  let stores: Stores | undefined;
  process.on('message', async (message: Move | Question) => {
    if ('options' in message) {
      const before = stores;
      stores = await connected(message.options);
      process.send?.('connected');
      await Promise.all([before?.plain.disconnect(), before?.tracking.disconnect()]);
      return;
    }
    const { key, takes, lease, near } = message;
    const make = async () => {
      process.send?.({ called: process.pid });
      await sleep(takes);
      return { by: process.pid };
    };
    const { plain, tracking } = stores as Stores;
    const store = near ? tracking : plain;
    const answers = await Promise.all(Array.from({ length: 50 }, () => store.getOrSet(key, make, { lease, ttl: 60_000 })));
    process.send?.({ answers: answers.map(({ by }) => by) });
  });
  process.send?.('ready');
}

async function connected(options: StoreOptions): Promise<Stores> {
  const common = { ...options, prefix: 'fleet', name: String(process.pid) };
  const plain = redisStore(common);
  const tracking = redisStore({ ...common, near: {} });
  await Promise.all([plain.ready(), tracking.ready()]);
  // Until what changes is told.
  while (tracking.stats().near.misses === 0) {
    await tracking.get('nothing');
    await sleep(5);
  }
  return { plain, tracking };
}

if (require.main === module) main();
