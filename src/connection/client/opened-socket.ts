import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends the connection by RST, so that what the network has not delivered yet is dropped, and is not sent again later. Only TCP can; a socket
 * that it cannot be done to is left to be destroyed.
 */
export function resetSocket(socket: Socket | undefined): void {
  // A unix socket has no address, and delivers at once. One that is connecting has nothing to deliver. One that is being ended would keep
  // its handle for good: libuv does not reset what it shuts down, and Node does not close what was not reset.
  const canReset = socket?.remoteFamily !== undefined && !socket.connecting && !socket.writableEnded && !socket.destroyed;
  if (canReset && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
}

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
