import type { StoreOptions } from '../../src/index.js';
import { RedisCluster } from './cluster.js';
import { RedisServer } from './redis.js';
import { type RawClient, rawClient } from './wire.js';

/** Where a suite runs: servers of its own, how a store reaches them, and a client beside each that has keys. */
export interface Place {
  readonly options: StoreOptions;
  readonly primaries: readonly { readonly port: number; readonly redis: RawClient }[];
  stop(): Promise<void>;
}

async function oneServer(): Promise<Place> {
  const server = await RedisServer.start();
  const redis = await rawClient(server);
  return {
    options: { location: server.location },
    primaries: [{ port: server.port, redis }],
    async stop() {
      redis.destroy();
      await server.stop();
    },
  };
}

async function threePrimaries(): Promise<Place> {
  const cluster = await RedisCluster.start();
  const primaries = await Promise.all(
    (await cluster.primaries()).map(async ({ node: { port, server } }) => ({ port, redis: await rawClient(server) })),
  );
  return {
    options: { cluster: { rootNodes: cluster.rootNodes } },
    primaries,
    async stop() {
      for (const { redis } of primaries) redis.destroy();
      await cluster.stop();
    },
  };
}

/** The same suite on one server and on a cluster, which is `several`. */
export function onEachPlace(suite: (place: () => Place, several: boolean) => void): void {
  for (const [title, start] of Object.entries({ 'one server': oneServer, 'a cluster of three primaries': threePrimaries })) {
    describe(`on ${title}`, () => {
      let place: Place;
      before(async () => {
        place = await start();
      });
      after(() => place.stop());
      suite(() => place, start === threePrimaries);
    });
  }
}
