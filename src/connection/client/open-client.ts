import type { Milliseconds } from '../../ttl.js';
import type { OnError } from '../connection.js';
import { handshakeTimeoutOf } from '../handshake.js';
import { ReconnectingConnection } from '../reconnecting.js';
import type { ClientOptions, SocketOptions } from './client-options.js';
import { ClientSession } from './client-session.js';
import { clientFactory } from './make-client.js';

/** Opens a connection over node-redis clients of our own. `tracked`: `track` will be called. */
export function openClient(
  options: ClientOptions,
  livenessTimeout: Milliseconds,
  onError: OnError,
  tracked = false,
): ReconnectingConnection {
  const make = clientFactory(options, tracked);
  const commandTimeout = options.commandOptions?.timeout ?? 0;
  const handshakeTimeout = handshakeTimeoutOf(options, livenessTimeout);
  const socket = (options.socket ?? {}) as SocketOptions;
  return new ReconnectingConnection(
    (listener) => new ClientSession(make(), commandTimeout, livenessTimeout, listener),
    { socket, livenessTimeout, handshakeTimeout, onError },
    'client',
  );
}
