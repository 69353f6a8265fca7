// A server on whose one thread each handshake costs time, as those of TLS do on Redis's. Forked with the cost in milliseconds. Sends its
// port. Told so, it stalls for some milliseconds, or cuts all connections; and it answers how many handshakes it has done.
import { createServer } from 'node:net';

const cost = Number(process.argv[2]);
let handshakes = 0;
const sockets = new Set();

/** Without work for the processor, which those that connect share. */
const block = (time) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time);

const server = createServer((socket) => {
  let isNew = true;
  sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
  socket.on('data', (data) => {
    // Commands come whole, for they are small. Each begins with its number of arguments.
    const commands = String(data).match(/(?<=\*\d+\r\n\$\d+\r\n)[A-Za-z]+/g) ?? [];
    for (const command of commands) {
      if (isNew) {
        isNew = false;
        handshakes++;
        block(cost);
      }
      if (command === 'HELLO') socket.write('%1\r\n+proto\r\n:3\r\n');
      else socket.write(command === 'GET' ? '$1\r\n1\r\n' : '+OK\r\n');
    }
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 20_000 }, () => process.send({ port: server.address().port }));
process.on('message', ({ stall, cut }) => {
  if (stall) block(stall);
  else if (cut) for (const socket of sockets) socket.destroy();
  else process.send({ handshakes });
});
process.on('disconnect', () => process.exit());
