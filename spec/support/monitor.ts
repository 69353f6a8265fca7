import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { admin, minimalEverywhere } from './acl.js';

/** Has the server tell of every command it is sent (MONITOR), until the socket is destroyed. */
export async function monitor(port: number, hear: (text: string) => void): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  let begun = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    if (begun.length < 20) begun += chunk;
    hear(String(chunk));
  });
  socket.write(minimalEverywhere ? `AUTH ${admin.username} ${admin.password}\r\nMONITOR\r\n` : 'MONITOR\r\n');
  while (!begun.startsWith(minimalEverywhere ? '+OK\r\n+OK' : '+OK')) await once(socket, 'data');
  return socket;
}
