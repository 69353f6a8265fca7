import { type RedisStore, redisStore } from '../src/index.js'; // in your project: 'redis-tier'

interface Product {
  id: number;
  name: string;
  price: number;
}

const shop = new Map<number, Product>([
  [1, { id: 1, name: 'apple', price: 30 }],
  [2, { id: 2, name: 'bean', price: 10 }],
]);
let queries = 0;

/** One product. Its entry depends on that product. */
function product(store: RedisStore, id: number): Promise<Product | null> {
  const query = (): Product | null => {
    queries++;
    return shop.get(id) ?? null;
  };
  return store.getOrSet(`product:${id}`, query, { ttl: 60_000, tags: [`product:${id}`] });
}

/** A page of all products. Its entry depends on each of them, and on the list of products. */
function page(store: RedisStore): Promise<string> {
  const render = (): string => {
    queries++;
    return [...shop.values()].map(({ name, price }) => `${name} ${price}`).join(', ');
  };
  const tags = ['products', ...Array.from(shop.keys(), (id) => `product:${id}`)];
  return store.getOrSet('page', render, { ttl: 60_000, tags });
}

async function changePrice(store: RedisStore, id: number, price: number): Promise<void> {
  shop.set(id, { ...(shop.get(id) as Product), price });
  // After the change, never before: values computed from here on see it. Rejects if Redis is unreachable.
  await store.invalidateTags([`product:${id}`]);
}

export async function main(location: string) {
  // Two stores stand for two processes.
  const options = { location, prefix: 'example-tags', lazyClear: true };
  const [one, two] = [redisStore(options), redisStore(options)];
  queries = 0;
  shop.set(1, { id: 1, name: 'apple', price: 30 });
  try {
    await one.clear(); // a second run then shows the same

    await Promise.all([product(one, 1), product(one, 2), page(one)]);
    const before = await page(two);
    console.log('before:', before, `(${queries} queries)`);

    await changePrice(two, 1, 35);
    const after = [await page(one), await product(one, 1), await product(two, 2)];
    console.log('after the price of one was changed:', after, `(${queries} queries)`);
    const asked = queries;

    await one.clear({ lazy: true });
    const cleared = await two.mget('page', 'product:1', 'product:2');
    console.log('after all was cleared in one step:', cleared);
    return { before, after, asked, cleared, swept: await two.sweep().then(() => one.keys()) };
  } finally {
    await Promise.all([one.disconnect(), two.disconnect()]);
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
