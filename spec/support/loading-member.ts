import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../../src/index.js';

/** What to ask for, how long the function takes, and for how long the lease holds. */
export interface Question {
  readonly key: string;
  readonly takes: number;
  readonly lease: number;
}

/** One process of many: on every message it asks fifty times for a key, tells of calls of its function, then of the answers. */
async function main(location: string): Promise<void> {
  const store = redisStore({ location, prefix: 'fleet' });
  process.on('message', async ({ key, takes, lease }: Question) => {
    const make = async () => {
      process.send?.({ called: process.pid });
      await sleep(takes);
      return { by: process.pid };
    };
    const answers = await Promise.all(Array.from({ length: 50 }, () => store.getOrSet(key, make, { lease, ttl: 60_000 })));
    process.send?.({ answers: answers.map(({ by }) => by) });
  });
  await store.ready();
  process.send?.('ready');
}

void main(process.argv[2] as string);
