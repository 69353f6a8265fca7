import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import { openStore, rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

const kinds: Record<string, StoreOptions> = {
  'node-redis': {},
  'node-redis with RESP 2': { RESP: 2 },
  'our own parser': { parser: 'auto' },
};

/** A server that treats every connection like this. */
async function serverOf(onSocket: (socket: Socket) => void): Promise<{ server: Server; location: string; accepted: () => number }> {
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    socket.on('error', () => {});
    onSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, location: `127.0.0.1:${(server.address() as AddressInfo).port}`, accepted: () => accepted };
}

for (const [kind, options] of Object.entries(kinds)) {
  describe(`a handshake: ${kind}`, () => {
    for (const [strategy, socket] of Object.entries({ ours: undefined, 'of the application': { reconnectStrategy: () => 50 } })) {
      it(`waits for credentials that take longer than the timeout, with a reconnectStrategy that is ${strategy}`, async () => {
        const server = await RedisServer.start(['--requirepass', 'right']);
        let asked = 0;
        const credentials = async () => {
          asked++;
          await new Promise((resolve) => setTimeout(resolve, 1500));
          return { username: 'default', password: 'right' };
        };
        const credentialsProvider = { type: 'async-credentials-provider', credentials } as never;
        const store = openStore({ location: server.location, timeout: 200, credentialsProvider, ...(socket && { socket }), ...options });
        expect(await store.get('k')).to.equal(undefined);
        await until(() => cacheOf(store).writer.set('k', 1), 5000);
        expect(asked).to.equal(1);
        await store.disconnect();
        await server.stop();
      });
    }

    it('rejects `ready` where the server wants a password', async () => {
      const server = await RedisServer.start(['--requirepass', 'right']);
      expect((await rejection(openStore({ location: server.location, ...options }).ready())).code).to.equal('ERR_AUTH');
      await server.stop();
    });

    it('rejects `ready` where the server is no Redis', async () => {
      const { server, location } = await serverOf((socket) => {
        socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      });
      expect((await rejection(openStore({ location, ...options }).ready())).code).to.equal('ERR_CONNECTION');
      server.close();
    });

    it('is tried again with backoff where the server accepts and closes', async () => {
      const { server, location, accepted } = await serverOf((socket) => socket.destroy());
      const store = openStore({ location, ...options });
      expect((await rejection(store.ready())).code).to.equal('ERR_CONNECTION');
      const before = accepted();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      expect(accepted() - before).to.be.within(1, 12);
      await store.disconnect();
      server.close();
    });
  });
}
