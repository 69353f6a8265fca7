import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Files } from '../../examples/tls.js';
import { unrestricted } from './acl.js';
import { certificates } from './certificates.js';
import { RedisCluster } from './cluster.js';
import { freePort, RedisServer } from './redis.js';
import { tlsServer } from './settings.js';

/** What the examples run against, beside the server that all specs share. */
export interface ExampleServers {
  /** For the examples that show more than a store may: what Redis holds, what it is sent, who is connected. */
  readonly free: RedisServer;
  /** The URL of a server that speaks TLS, and what a client needs for it. */
  readonly secureUrl: string;
  readonly files: Files;
  /** Where a client of a cluster may begin. */
  readonly clusterUrls: string[];
  stop(): Promise<void>;
}

export async function startExampleServers(): Promise<ExampleServers> {
  const { ca, server, client } = await certificates();
  const port = await freePort();
  const [free, secure, nodes] = await Promise.all([
    RedisServer.start(unrestricted),
    tlsServer(port, ca.cert, server),
    RedisCluster.start(),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'redis-tier-examples-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  return {
    free,
    secureUrl: `rediss://127.0.0.1:${port}`,
    files: { ca: file('ca.pem', ca.cert), cert: file('client.pem', client.cert), key: file('client-key.pem', client.key) },
    clusterUrls: nodes.rootNodes.map(({ socket: { host, port: each } }) => `redis://${host}:${each}`),
    async stop() {
      await Promise.all([secure.stop(), free.stop(), nodes.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
