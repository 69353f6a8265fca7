import type { Milliseconds } from '../../ttl.js';
import type { ClientOptions, SocketOptions } from '../client/client-options.js';
import type { OnError } from '../connection.js';
import { handshakeTimeoutOf } from '../handshake.js';
import { ReconnectingConnection } from '../reconnecting.js';
import { DirectSession } from './direct-session.js';
import type { ParserClass } from './parser.js';

/** Opens a connection to one server without node-redis. */
export function openDirect(
  options: ClientOptions,
  parser: ParserClass | 'auto',
  livenessTimeout: Milliseconds,
  onError: OnError,
): ReconnectingConnection {
  const socket = (options.socket ?? {}) as SocketOptions;
  const handshakeTimeout = handshakeTimeoutOf(options, livenessTimeout);
  return new ReconnectingConnection((listener) => new DirectSession(options, parser, livenessTimeout, listener), {
    socket,
    livenessTimeout,
    handshakeTimeout,
    onError,
    kind: 'lean',
  });
}
