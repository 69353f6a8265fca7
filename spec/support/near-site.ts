import type { StoreOptions } from '../../src/index.js';
import { type ClusterNode, RedisCluster } from './cluster.js';
import { RedisServer } from './redis.js';
import { SilentProxy } from './silent-proxy.js';
import { rawClient } from './wire.js';

type Raw = Awaited<ReturnType<typeof rawClient>>;

/** Where the processes of a spec keep their entries: a server, or a cluster of which one node can be reached through a proxy. */
export interface Site {
  /** What takes writes: a client beside the code under test for each. */
  readonly servers: readonly { readonly port: number; readonly redis: Raw }[];
  readonly direct: StoreOptions;
  /** Goes through the proxy. */
  readonly proxied: StoreOptions;
  readonly proxy: SilentProxy;
  stop(): Promise<void>;
}

/** Each starts a site of its own. */
export const sites: Record<string, () => Promise<Site>> = {
  async 'one server'() {
    const server = await RedisServer.start();
    const redis = await rawClient(server);
    const proxy = await SilentProxy.start(server.port);
    return {
      servers: [{ port: server.port, redis }],
      direct: { location: server.location },
      proxied: { location: proxy.location },
      proxy,
      async stop() {
        proxy.stop();
        redis.destroy();
        await server.stop();
      },
    };
  },

  async 'a cluster'() {
    const cluster = await RedisCluster.start();
    const nodes = (await cluster.primaries()).map(({ node }) => node);
    const servers = await Promise.all(nodes.map(async ({ port, server }) => ({ port, redis: await rawClient(server) })));
    // Not one of those that a store begins with.
    const { port } = nodes.find(({ port }) => !cluster.rootNodes.some(({ socket }) => socket.port === port)) as ClusterNode;
    const proxy = await SilentProxy.start(port);
    const { rootNodes } = cluster;
    const [host, through] = proxy.location.split(':') as [string, string];
    const nodeAddressMap = { [`127.0.0.1:${port}`]: { host, port: Number(through) } };
    return {
      servers,
      direct: { cluster: { rootNodes } },
      proxied: { cluster: { rootNodes, nodeAddressMap } },
      proxy,
      async stop() {
        proxy.stop();
        for (const { redis } of servers) redis.destroy();
        await cluster.stop();
      },
    };
  },
};
