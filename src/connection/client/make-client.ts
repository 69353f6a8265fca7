import { createClient, RedisClient } from '@redis/client';
import type { ExternalClient } from '../target.js';
import { trackable } from '../tracking/tracking.js';
import type { ClientOptions } from './client-options.js';

type OwnClient = ReturnType<typeof createClient>;

const factories = new Map<ClientOptions['RESP'], (options: object) => unknown>();

/** Creates a node-redis client. Its class is kept for each protocol version: to build one blocks the process for tens of milliseconds. */
export function makeClient(options: ClientOptions): OwnClient {
  const { RESP, modules, functions, scripts, maintNotifications } = options;
  const { lookup } = (options.socket ?? {}) as { lookup?: unknown };
  // Maintenance notifications resolve the host without `socket.lookup`. Only that function may know the host.
  const own = lookup && maintNotifications === undefined ? { ...options, maintNotifications: 'disabled' } : options;
  if (modules || functions || scripts) return createClient(own as object);
  let create = factories.get(RESP);
  if (!create) {
    create = RedisClient.factory(RESP === undefined ? {} : { RESP }) as (options: object) => unknown;
    factories.set(RESP, create);
  }
  return create(own) as OwnClient;
}

/** Bytes that a socket takes before it has to drain. With Node's 16 KiB the sets of one tick leave in many writes, each in its own turn. */
const writableHighWaterMark = 2 ** 20;

/** A factory of clients for one session each. `tracked`: clients that can be tracked. */
export function clientFactory(options: ClientOptions, tracked: boolean): (signal: AbortSignal) => ExternalClient {
  return (signal) => {
    // How long an attempt may take is for us to say: node-redis would count time in which the process was busy.
    const socket: object = { writableHighWaterMark, ...options.socket, connectTimeout: 0, reconnectStrategy: false, signal };
    const own = { ...options, disableOfflineQueue: options.disableOfflineQueue ?? true, socket } as ClientOptions;
    return (tracked ? trackable(own, makeClient) : makeClient(own)) as ExternalClient;
  };
}
