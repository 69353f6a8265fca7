import { createClient } from '@redis/client';

/**
 * A client that the application made, as one would that has read node-redis's documentation: it notices a dead connection by its pings,
 * comes back soon, and does not send what was asked of it while it was away.
 */
export function clientOfApplication(location: string) {
  const [host, port] = location.split(':');
  const client = createClient({
    socket: { host, port: Number(port), reconnectStrategy: 100, connectTimeout: 500, socketTimeout: 700 },
    pingInterval: 250,
    disableOfflineQueue: true,
  });
  // Without a listener the first lost connection would end the process.
  client.on('error', () => {});
  return client;
}

export type ClientOfApplication = ReturnType<typeof clientOfApplication>;
