import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

export async function main(location: string) {
  const store = redisStore({ location, prefix: 'example-memoize' });
  let queries = 0;

  async function reportOf(year: number) {
    await sleep(20); // stands for a slow query
    return { year, total: 40 + ++queries };
  }

  // The same function, whose results all processes share for a minute, and a stale one for an hour while it is made anew.
  const cached = store.memoize(reportOf, { key: (year) => `report:${year}`, ttl: 60_000, staleFor: 3_600_000 });

  // A route that says where its answer came from.
  const server = createServer(async (request, response) => {
    const year = Number(request.url?.slice(1));
    const { value, tier } = await store.getOrSetDetailed(`page:${year}`, () => reportOf(year), { ttl: 60_000 });
    response.setHeader('X-Cache', tier).end(JSON.stringify(value));
  });

  try {
    await store.clear(); // a second run then shows the same

    const totals = [await cached(2024), await cached(2024)].map(({ total }) => total);
    await cached.invalidate(2024);
    totals.push((await cached(2024)).total);
    totals.push((await cached.refresh(2024)).total);
    console.log('totals:', totals, 'queries:', queries);

    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const tiers: (string | null)[] = [];
    for (let i = 0; i < 2; i++) tiers.push((await fetch(`http://127.0.0.1:${port}/2025`)).headers.get('x-cache'));
    console.log('X-Cache:', tiers);
    return { totals, tiers };
  } finally {
    server.close();
    await store.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
