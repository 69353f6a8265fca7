import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore, type StoreOptions } from '../../src/index.js';

/** How many keys there are, how many a question is about, and how many questions a process asks. One key always fails. */
export interface Questions {
  readonly keys: number;
  readonly each: number;
  readonly times: number;
  readonly failing: number;
}

/** What a process has made and got. */
export interface Answers {
  readonly made: readonly number[];
  /** Answers that are not what they should be. */
  readonly wrong: readonly string[];
  /** How often the failing key was asked for, and failed. */
  readonly asked: number;
  readonly failed: number;
}

/** One process of many, which asks for many keys at a time, at random. */
async function main(options: StoreOptions): Promise<void> {
  const store = redisStore({ ...options, prefix: 'many', timeout: 10_000 });
  await store.ready();
  process.on('message', async ({ keys, each, times, failing }: Questions) => {
    const made: number[] = [];
    const wrong: string[] = [];
    let [asked, failed] = [0, 0];
    const load = async (missing: readonly string[]) => {
      await sleep(20);
      const numbers = missing.map(Number);
      made.push(...numbers);
      return numbers.map((number) => (number === failing ? new Error('this one fails') : { number }));
    };
    for (let i = 0; i < times; i++) {
      const chosen = Array.from({ length: each }, () => Math.floor(Math.random() * keys));
      const values = await store.getOrSetMany(chosen.map(String), load, '1h');
      for (const [at, number] of chosen.entries()) {
        const value = values[at];
        if (number === failing) {
          asked++;
          if (value instanceof Error) failed++;
        } else if (value instanceof Error || value?.number !== number) wrong.push(`${number}: ${String(value)}`);
      }
    }
    process.send?.({ made, wrong, asked, failed } satisfies Answers);
  });
  process.send?.('ready');
}

if (require.main === module) void main(JSON.parse(process.argv[2] as string));
