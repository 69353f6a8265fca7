import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openClient } from '../../src/connection/client/open-client.js';
import type { Connection } from '../../src/connection/connection.js';
import { DirectConnection } from '../../src/connection/direct/direct.js';
import { rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const livenessTimeout = 300;

describe('a connection', () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.stop());

  const kinds: Record<string, (onError: () => void) => Connection> = {
    'node-redis': (onError) => openClient({ url: server.url }, livenessTimeout, onError),
    'a direct connection': (onError) =>
      new DirectConnection({ socket: { host: '127.0.0.1', port: server.port } }, 'auto', livenessTimeout, onError),
  };
  for (const [kind, open] of Object.entries(kinds)) {
    it(`is left alone while it is never idle and always answered: ${kind}`, async () => {
      let errors = 0;
      const connection = open(() => errors++);
      await connection.ready();
      const end = performance.now() + 4 * livenessTimeout;
      const ask = async (): Promise<void> => {
        while (performance.now() < end) await connection.send(['PING']);
      };
      await Promise.all(Array.from({ length: 50 }, ask));
      expect(errors).to.equal(0);
      await connection.close(100);
    });

    it(`is replaced when it shows no sign of life, also by a process that is always busy: ${kind}`, async () => {
      let errors = 0;
      const connection = open(() => errors++);
      await connection.ready();
      server.freeze();
      const start = performance.now();
      const lost = rejection(connection.send(['PING'])).then(({ code }) => code);
      while (errors === 0 && performance.now() - start < 5000) {
        const busy = performance.now() + 120;
        while (performance.now() < busy);
        await new Promise((resolve) => setImmediate(resolve));
      }
      server.thaw();
      expect(await lost).to.equal('ERR_CONNECTION');
      expect(performance.now() - start).to.be.within(livenessTimeout, 2500);
      await connection.close(0);
    });
  }
});

describe('a client that connects to a new primary', () => {
  it('is ended if the connection was replaced meanwhile', async () => {
    const server = await RedisServer.start();
    const held: (() => void)[] = [];
    const near: Socket[] = [];
    let holding = false;
    const proxy = createServer((socket) => {
      near.push(socket.on('error', () => {}));
      const pass = (): void => {
        socket.pipe(connect(server.port, '127.0.0.1').on('error', () => {})).pipe(socket);
      };
      if (holding) held.push(pass);
      else pass();
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const socket = { host: '127.0.0.1', port };
    const connection = openClient({ socket }, 2000, () => {});
    await connection.send(['PING']);
    const redis = await rawClient(server);
    await redis.replicaOf('127.0.0.1', 1);
    holding = true;
    expect((await rejection(connection.send(['SET', 'p:k', '1']))).code).to.equal('ERR_READONLY');
    await until(() => held.length === 1);
    holding = false;
    // Bytes that are no reply: the connection is replaced by another client.
    near[0]?.write('?\r\n');
    await until(() => near.length === 3 && connection.status === 'ready');
    held[0]?.();
    await until(() => near[1]?.closed === true, 1500);
    expect(near[2]?.closed).to.equal(false);
    expect(String(await connection.send(['PING']))).to.equal('PONG');
    await connection.close(0);
    await sleep(50);
    expect(near.map(({ closed }) => closed)).to.deep.equal([true, true, true]);
    redis.destroy();
    proxy.close();
    await server.stop();
  });
});
