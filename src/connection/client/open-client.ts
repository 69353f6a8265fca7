import type { OnError } from '../connection.js';
import { handshakeTimeoutOf } from '../handshake.js';
import { placeOf } from '../place.js';
import { ReconnectingConnection } from '../reconnecting.js';
import type { SessionBounds } from '../session.js';
import type { ClientOptions, SocketOptions } from './client-options.js';
import { ClientSession } from './client-session.js';
import { clientFactory } from './make-client.js';

/** Opens a connection over node-redis clients of our own. `tracked`: `track` will be called. */
export function openClient(options: ClientOptions, bounds: SessionBounds, onError: OnError, tracked = false): ReconnectingConnection {
  const make = clientFactory(options, tracked);
  const session = { ...bounds, make, commandTimeout: options.commandOptions?.timeout ?? 0, place: placeOf(options) };
  const handshakeTimeout = handshakeTimeoutOf(options, bounds.livenessTimeout);
  const socket = (options.socket ?? {}) as SocketOptions;
  return new ReconnectingConnection((listener) => new ClientSession(session, listener), {
    socket,
    livenessTimeout: bounds.livenessTimeout,
    handshakeTimeout,
    onError,
    tracks: true,
  });
}
