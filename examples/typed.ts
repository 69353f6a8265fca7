import { z } from 'zod';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  // Two processes during a deploy: the new one has changed the type of a user.
  const [old, updated] = [redisStore({ location, prefix: 'example-typed' }), redisStore({ location, prefix: 'example-typed' })];
  const before = old.typed({ schema: z.object({ id: z.number(), name: z.string() }), prefix: 'user:', ttl: 60_000 });
  const after = updated.typed({
    schema: z.object({ id: z.number(), first: z.string(), last: z.string(), born: z.coerce.date() }),
    prefix: 'user:',
    ttl: 60_000,
  });
  const failures: unknown[] = [];
  updated.on('error', ({ code }) => failures.push(code));
  try {
    await old.clear(); // a second run then shows the same

    await before.set('1', { id: 1, name: 'Ada Lovelace' });
    // The new process never sees a user of the old type: it is a miss, and made anew.
    const ada = await after.getOrSet('1', () => ({ id: 1, first: 'Ada', last: 'Lovelace', born: '1815-12-10' }));
    console.log(`the new process: ${ada.first}, born ${ada.born.getUTCFullYear()}`);

    // Nor does the old process see one of the new type.
    const seen = await before.get('1');
    console.log('the old process:', seen);

    // What does not match is not stored either.
    const refused = await after.set('2', { id: 2, first: 'Grace' } as never).catch((error: { code: string }) => error.code);
    console.log('a value without a last name:', refused);
    return { year: ada.born.getUTCFullYear(), seen, refused, failures };
  } finally {
    await Promise.all([old, updated].map((store) => store.disconnect()));
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
