import type { ClientOptions, SocketOptions } from '../client/client-options.js';
import type { OnError } from '../connection.js';
import { handshakeTimeoutOf } from '../handshake.js';
import { ReconnectingConnection } from '../reconnecting.js';
import type { SessionBounds } from '../session.js';
import { DirectSession } from './direct-session.js';
import type { ParserClass } from './parser.js';

/** Opens a connection to one server without node-redis. */
export function openDirect(
  options: ClientOptions,
  parser: ParserClass | 'auto',
  bounds: SessionBounds,
  onError: OnError,
): ReconnectingConnection {
  const socket = (options.socket ?? {}) as SocketOptions;
  const handshakeTimeout = handshakeTimeoutOf(options, bounds.livenessTimeout);
  return new ReconnectingConnection((listener) => new DirectSession(options, parser, bounds, listener), {
    socket,
    livenessTimeout: bounds.livenessTimeout,
    handshakeTimeout,
    onError,
    tracks: false,
  });
}
