import { redisStore } from '../src/index.js'; // in your project: 'redis-tier'

/** @param path the absolute path of `unixsocket` in redis.conf; the process needs permission to write to it */
export async function main(path: string) {
  // The same as `unix://${path}`, which can also hold a password. Other options can be combined with it, such as `database`.
  const store = redisStore({ location: path, database: 0, prefix: 'example-unix' });
  try {
    await store.ready(); // rejects with the reason if there is no socket or no permission
    await store.set('greeting', 'hello over a unix socket', 5_000);
    const greeting = await store.get<string>('greeting');
    console.log(greeting);
    return { greeting, status: store.status, clientAddress: (await store.client?.clientInfo())?.addr };
  } finally {
    await store.disconnect();
  }
}

if (require.main === module) {
  main(process.env['REDIS_SOCKET'] ?? '/run/redis/redis-server.sock').catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
