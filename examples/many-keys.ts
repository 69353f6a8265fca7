import DataLoader from 'dataloader';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

const database: Readonly<Record<string, string>> = { 'user:1': 'Ada', 'user:2': 'Grace', 'user:3': 'Edsger' };

export async function main(location: string) {
  const store = redisStore({ location, prefix: 'example-many', ttl: 60_000 });
  const queries: (readonly string[])[] = [];

  /** Stands for `SELECT … WHERE id IN (…)`. */
  async function namesOf(keys: readonly string[]) {
    queries.push(keys);
    return keys.map((key) => database[key] ?? new Error(`there is no ${key}`));
  }

  try {
    await store.clear(); // a second run then shows the same

    await store.getOrSetMany(['user:1', 'user:2'], namesOf);
    const names = await store.getOrSetMany(['user:1', 'user:2', 'user:3', 'user:4'], namesOf);
    console.log('queries:', queries);
    console.log(
      'names:',
      names.map((name) => (name instanceof Error ? name.message : name)),
    );

    // DataLoader collects the keys of one request, and the store keeps the values for all of them.
    const loader = new DataLoader((keys: readonly string[]) => store.getOrSetMany(keys, namesOf), { cache: false });
    const loaded = await Promise.all(['user:2', 'user:3'].map((key) => loader.load(key)));
    console.log('by DataLoader:', loaded);
    return { queries, names: names.map(String), loaded };
  } finally {
    await store.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
