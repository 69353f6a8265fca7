import type { Milliseconds } from '../../ttl.js';
import type { OnError } from '../connection.js';
import { credentialsTimeout } from '../handshake.js';
import type { ExternalClient } from '../target.js';
import { ClientConnection } from './client.js';
import type { ClientOptions } from './client-options.js';
import { clientFactory } from './make-client.js';

/** Opens a connection with a client of our own. `tracked`: `track` will be called. */
export function openClient(options: ClientOptions, livenessTimeout: Milliseconds, onError: OnError, tracked = false): ClientConnection {
  const { make, connectTimeout } = clientFactory(options, livenessTimeout, tracked);
  const handshakeTimeout = livenessTimeout + (options.credentialsProvider ? credentialsTimeout : 0);
  const commandTimeout = options.commandOptions?.timeout ?? 0;
  return new ClientConnection(make(), { make, livenessTimeout, connectTimeout, handshakeTimeout, commandTimeout, onError });
}

/** Uses an external client: connects it if it is not connected yet, and never closes or replaces it. */
export function overClient(client: ExternalClient, livenessTimeout: Milliseconds, onError: OnError): ClientConnection {
  return new ClientConnection(client, { livenessTimeout, connectTimeout: 0, handshakeTimeout: 0, commandTimeout: 0, onError });
}
