import { createClient, RedisClient } from '@redis/client';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { OnError } from '../connection.js';
import { reconnectStrategy } from '../reconnect.js';
import type { ExternalClient } from '../target.js';
import { trackable } from '../tracking/tracking.js';
import type { ClientOptions, SocketOptions } from './client-options.js';
import { addListeners, removeListeners } from './listeners.js';

/** Of a connection over a client. */
export interface ClientSettings {
  /** Creates a client in place of the current one. Missing for an external client. */
  readonly make?: () => ExternalClient;
  readonly livenessTimeout: Milliseconds;
  /** How long an attempt to connect may take; 0 if node-redis sees to that. */
  readonly connectTimeout: Milliseconds;
  readonly handshakeTimeout: Milliseconds;
  readonly commandTimeout: Milliseconds;
  readonly onError: OnError;
}

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

/** After how long node-redis ends an attempt to connect that we have given up: it cannot be told to. */
const abandonedTimeout: Milliseconds = 5000;

/** Bytes that a socket takes before it has to drain. With Node's 16 KiB the sets of one tick leave in many writes, each in its own turn. */
const writableHighWaterMark = 2 ** 20;

/**
 * A factory of clients that reconnect for ever with our backoff. `tracked`: clients that can be tracked. Its `connectTimeout` is 0 if
 * node-redis ends each attempt to connect, which has to count attempts for a strategy of the user's. It would also count time in which the
 * process was busy.
 */
export function clientFactory(
  options: ClientOptions,
  timeout: Milliseconds,
  tracked: boolean,
): { readonly make: () => ExternalClient; readonly connectTimeout: Milliseconds } {
  const { connectTimeout, reconnectStrategy: strategy } = (options.socket ?? {}) as SocketOptions;
  const isTheirs = connectTimeout !== undefined || strategy !== undefined;
  const socket: object = {
    connectTimeout: isTheirs ? timeout : timeout + abandonedTimeout,
    writableHighWaterMark,
    reconnectStrategy: (retries: number, cause: Error) => reconnectStrategy(retries, cause),
    ...options.socket,
  };
  const own = { ...options, disableOfflineQueue: options.disableOfflineQueue ?? true, socket } as ClientOptions;
  const make = (): ExternalClient => (tracked ? trackable(own, makeClient) : makeClient(own)) as ExternalClient;
  return { make, connectTimeout: isTheirs ? 0 : timeout };
}

/** Destroys a client of our own for good, also a socket that is still connecting. Errors that it reports later must find a listener. */
export function endClient(client: Pick<ExternalClient, 'on' | 'destroy'>): void {
  client.on('error', () => {});
  client.on('connect', () => client.destroy());
  client.destroy();
}

/** Our own clients besides the one in use: connecting in its place, or finishing what is in flight. Each lives at most `timeout`. */
export class StandbyClients {
  readonly #timeout: Milliseconds;
  readonly #clients = new Set<ExternalClient>();

  constructor(timeout: Milliseconds) {
    this.#timeout = timeout;
  }

  /** Connects the client. @returns whether it did, in time. If not, the client has been ended */
  async connect(client: ExternalClient): Promise<boolean> {
    const giveUp = { error: (): void => this.#end(client) };
    this.#clients.add(client);
    addListeners(client, giveUp);
    const connecting = client.connect().then(() => true);
    const connected = await waitAtMost(connecting, this.#timeout).catch(() => false);
    removeListeners(client, giveUp);
    if (connected && this.#clients.delete(client)) return true;
    this.#end(client);
    return false;
  }

  /** Waits for commands in flight, and ends the client. */
  retire(client: ExternalClient): void {
    this.#clients.add(client);
    void waitAtMost(client.close(), this.#timeout)
      .catch(() => {})
      .then(() => this.#end(client));
  }

  end(): void {
    for (const client of this.#clients) this.#end(client);
  }

  #end(client: ExternalClient): void {
    this.#clients.delete(client);
    endClient(client);
  }
}
