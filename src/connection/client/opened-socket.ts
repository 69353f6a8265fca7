import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/**
 * The socket that `open` opens before it returns. node-redis does not show its socket; Node announces each on a channel of its own.
 * Undefined over TLS, which Node does not announce.
 */
export function openedSocket(open: () => void): Socket | undefined {
  let opened: Socket | undefined;
  const onSocket = (message: unknown): void => {
    opened ??= (message as { socket: Socket }).socket;
  };
  subscribe('net.client.socket', onSocket);
  try {
    open();
  } finally {
    unsubscribe('net.client.socket', onSocket);
  }
  return opened;
}
