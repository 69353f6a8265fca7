import { createClient } from '@redis/client';
import { RedisServer } from './redis.js';

/** A client beside the code under test, to look at what is really in Redis. */
export async function rawClient(server: Pick<RedisServer, 'url'> & Partial<RedisServer>, database = 0) {
  const client = createClient({
    url: server.adminUrl ?? server.url,
    database,
    commandOptions: { timeout: 10_000 },
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

export type RawClient = Awaited<ReturnType<typeof rawClient>>;

/** How often each command was called since the server's statistics were reset. */
export async function commandStats(client: RawClient): Promise<Record<string, number>> {
  const info = await client.info('commandstats');
  return Object.fromEntries([...info.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, name, calls]) => [name as string, Number(calls)]));
}

/** For a suite that counts what a server does: one of its own, with a client beside it, for as long as the suite runs. */
export function onOwnServer(use: (server: RedisServer, redis: RawClient) => void, args: readonly string[] = []): void {
  let server: RedisServer;
  let redis: RawClient;
  before(async () => {
    server = await RedisServer.start(args);
    redis = await rawClient(server);
    use(server, redis);
  });
  after(async () => {
    redis.destroy();
    await server.stop();
  });
}
