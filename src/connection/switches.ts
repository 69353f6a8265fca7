import type { Milliseconds } from '../ttl.js';
import { reconnectStrategy } from './backoff.js';
import { endClient } from './end-client.js';
import { makeClient } from './make-client.js';
import type { ClientOptions } from './target.js';

/** A subscription says nothing most of the time: it is asked this often whether it is alive, and given up after twice that. */
const heartbeat: Milliseconds = 2000;

/**
 * Listens to sentinels for `+promoted-slave` and `+switch-master`: that another node is the primary now. Without it nobody would tell us of a failover
 * in which the old primary goes on answering, for up to ten seconds. A sentinel that cannot be reached is tried again and
 * again, and nothing depends on it.
 */
export function onSwitch(sentinels: readonly ClientOptions[], name: string, tell: () => void): { stop(): void } {
  const clients = sentinels.map((options) => {
    const client = makeClient({
      ...options,
      RESP: 2,
      pingInterval: heartbeat,
      socket: {
        reconnectStrategy: (retries: number, cause: Error) => reconnectStrategy(retries, cause),
        ...options.socket,
        socketTimeout: 2 * heartbeat,
      } as NonNullable<ClientOptions['socket']>,
    });
    client.on('error', () => {});
    const heard = (message: string): void => {
      if (message.startsWith(`${name} `) || message.includes(`@ ${name} `)) tell();
    };
    client.connect().then(
      () => client.subscribe(['+promoted-slave', '+switch-master'], heard).catch(() => {}),
      () => {},
    );
    return client;
  });
  return {
    stop() {
      for (const client of clients) endClient(client);
    },
  };
}
