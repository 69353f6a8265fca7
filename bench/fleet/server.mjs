// A server on whose one thread each handshake costs time, as those of TLS do on Redis's. Forked with the cost in milliseconds; tells its
// port, stalls for as many milliseconds as it is told, and tells how many handshakes it has done.
import { createServer } from 'node:net';
import { performance } from 'node:perf_hooks';

const cost = Number(process.argv[2]);
let handshakes = 0;

const block = (time) => {
  const end = performance.now() + time;
  while (performance.now() < end);
};

const server = createServer((socket) => {
  let isNew = true;
  socket.on('error', () => {});
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
process.on('message', ({ stall }) => {
  if (stall) block(stall);
  else process.send({ handshakes });
});
process.on('disconnect', () => process.exit());
