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
  const session = { make: clientFactory(options, tracked), commandTimeout: options.commandOptions?.timeout ?? 0, livenessTimeout };
  const handshakeTimeout = handshakeTimeoutOf(options, livenessTimeout);
  const socket = (options.socket ?? {}) as SocketOptions;
  return new ReconnectingConnection((listener) => new ClientSession(session, listener), {
    socket,
    livenessTimeout,
    handshakeTimeout,
    onError,
    kind: 'client',
  });
}
