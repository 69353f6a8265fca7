import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/** Stands for the ids that a database knows. */
const ids = Array.from({ length: 2500 }, (_, i) => i + 1);
const page = 500;

export async function main(location: string) {
  const store = redisStore({ location, prefix: 'example-warm', ttl: 3_600_000 });
  let made = 0;

  async function productsOf(keys: readonly string[]) {
    made += keys.length;
    return new Map(keys.map((key) => [key, { key, price: key.length }]));
  }

  /** Fills the cache page by page. What is there already is not made again, so the job can be stopped and started anew. */
  async function warm(signal: AbortSignal, onProgress: (done: number) => void) {
    for (let from = 0; from < ids.length && !signal.aborted; from += page) {
      const keys = ids.slice(from, from + page).map((id) => `product:${id}`);
      await store.getOrSetMany(keys, productsOf);
      onProgress(from + keys.length);
    }
  }

  try {
    await store.clear(); // a second run then shows the same

    const stop = new AbortController();
    const progress: number[] = [];
    await warm(stop.signal, (done) => {
      progress.push(done);
      console.log(`${done} of ${ids.length}`);
      if (done >= 1000) stop.abort(); // a deploy ends the job in the middle
    });
    const before = made;
    await warm(new AbortController().signal, (done) => progress.push(done));
    console.log(`made before the stop: ${before}, afterwards: ${made - before}`);
    return { progress, before, made };
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
