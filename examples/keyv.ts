import { createKeyv } from '../src/keyv.js'; // in your project: 'redis-tier/keyv'

interface User {
  name: string;
}

export async function main(location: string) {
  const users = createKeyv<User>({ location, namespace: 'example-users', ttl: 60_000 });
  const orders = createKeyv<number>({ location, namespace: 'example-orders' });
  users.on('error', (error) => console.error(error.message));
  try {
    await users.clear(); // a second run then shows the same; `orders` keeps its entries
    await orders.clear();

    await users.set('1', { name: 'Ada' }); // expires after a minute, the default above
    await users.set('2', { name: 'Grace' }, 50); // expires after 50 ms
    await orders.set('1', 42); // another namespace: another key in Redis, `example-orders::1`
    const pair = [await users.get('1'), await orders.get('1')];
    console.log("under the same key '1':", pair);

    await new Promise((resolve) => setTimeout(resolve, 80));
    const expired = await users.get('2');
    console.log('after 80 ms, user 2:', expired);

    await users.setMany([
      { key: '3', value: { name: 'Edsger' } },
      { key: '4', value: { name: 'Barbara' } },
    ]);
    const many = await users.getMany(['3', '4', '5']);
    console.log('many at once:', many);

    // SCAN and MGET, page by page, so that other clients of Redis are not blocked. The order is Redis's.
    const names: string[] = [];
    for await (const [key, user] of users.iterator?.(undefined) ?? []) names.push(`${key}: ${user.name}`);
    console.log('all users:', names.sort());

    const existed = await users.delete('1'); // `false` also if Redis is unreachable: the deletion then waits until it is back
    return { pair, expired, many, names, existed, has: await users.has('1') };
  } finally {
    await users.disconnect();
    await orders.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_URL'] ?? 'localhost:6379').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
