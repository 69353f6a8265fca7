import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { createClient } from '@redis/client';
import { expect } from 'chai';
import { openClient } from '../../src/connection/client/open-client.js';
import type { Connection, OnError } from '../../src/connection/connection.js';
import { openDirect } from '../../src/connection/direct/open-direct.js';
import { block } from '../support/block.js';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

const livenessTimeout = 300;

const handles = (): number => process.getActiveResourcesInfo().filter((name) => /TCP|Connect/.test(name)).length;

describe('a connection', () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.stop());

  /** As a user that may ask for the id of a connection. */
  const optionsFor = (port = server.port) => {
    const { username, password } = new URL(server.adminUrl);
    return { socket: { host: '127.0.0.1', port }, ...(password && { username, password }) };
  };
  const kinds: Record<string, (onError: OnError, port?: number) => Connection> = {
    'node-redis': (onError, port) => openClient(optionsFor(port), { livenessTimeout }, onError),
    'a direct connection': (onError, port) => openDirect(optionsFor(port), 'auto', { livenessTimeout }, onError),
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

    it(`is found silent, also by a process that is always busy, and used on if it was only late: ${kind}`, async () => {
      let errors = 0;
      const connection = open(() => errors++);
      const id = await connection.send(['CLIENT', 'ID']);
      server.freeze();
      const start = performance.now();
      const late = connection.send(['PING']);
      while (errors === 0 && performance.now() - start < 5000) {
        block(120);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(performance.now() - start).to.be.within(livenessTimeout, 2500);
      expect(connection.status).to.equal('reconnecting');
      expect((await rejection(connection.ready())).message).to.match(/no sign of life for 300 ms/);
      server.thaw();
      expect(String(await late)).to.equal('PONG');
      // On a busy machine the server may be silent once more.
      let used: unknown;
      await until(async () => {
        used = await connection.send(['CLIENT', 'ID']).catch(() => undefined);
        return used !== undefined;
      });
      expect(used).to.be.within(id as number, (id as number) + 1);
      await connection.close(0);
    });

    it(`is replaced by the one that is opened beside it, if it stays silent: ${kind}`, async () => {
      const sockets: Socket[] = [];
      const network = createServer((near) => {
        sockets.push(near.on('error', () => {}));
        near.pipe(connect(server.port, '127.0.0.1').on('error', () => {})).pipe(near);
      }).listen(0, '127.0.0.1');
      await once(network, 'listening');
      const connection = open(() => {}, (network.address() as AddressInfo).port);
      const id = await connection.send(['CLIENT', 'ID']);
      sockets[0]?.unpipe().resume();
      const lost = rejection(connection.send(['PING']));
      expect((await lost).message).to.match(/ \(in use\): no sign of life for 300 ms\./);
      expect(await connection.send(['CLIENT', 'ID'])).to.be.above(id as number);
      await until(() => sockets[0]?.closed === true);
      await connection.close(0);
      network.close();
    });

    it(`is left alone while bytes arrive: ${kind}`, async () => {
      const proxy = await FaultProxy.start(server.port, new Random(1));
      let errors = 0;
      const connection = open(() => errors++, Number(proxy.location.split(':')[1]));
      await connection.send(['SET', 'p:large', Buffer.alloc(1000)]);
      proxy.become({ kind: 'drip', bytes: 10, every: 10 });
      expect(((await connection.send(['GET', 'p:large'])) as Buffer).length).to.equal(1000);
      expect(errors).to.equal(0);
      await connection.close(0);
      await proxy.stop();
    });

    it(`stays closed, also if a listener closes it: ${kind}`, async () => {
      const connection: Connection = open(() => void connection.close(0));
      await connection.ready();
      const redis = await rawClient(server);
      await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
      await until(() => connection.status === 'closed');
      await sleep(300);
      expect(connection.status).to.equal('closed');
      expect((await rejection(connection.send(['PING']))).code).to.equal('ERR_CLOSED');
      redis.destroy();
    });

    it(`leaves no socket behind that is still connecting: ${kind}`, async () => {
      // Frozen and with a backlog of one: further connections wait for an answer to their SYN.
      const full = await RedisServer.start(['--tcp-backlog', '1']);
      full.freeze();
      const before = handles();
      const connections = Array.from({ length: 5 }, () => open(() => {}, full.port));
      for (const connection of connections) connection.ready().catch(() => {});
      await sleep(50);
      expect(handles()).to.be.above(before);
      await Promise.all(connections.map((connection) => connection.close(0)));
      await until(() => handles() <= before, 2000);
      full.thaw();
      await full.stop();
    });

    it(`ends what it has replaced when it is closed: ${kind}`, async () => {
      const own = await RedisServer.start();
      const connection = open(() => {}, own.port);
      const redis = await rawClient(own);
      await connection.send(['PING']);
      await redis.replicaOf('127.0.0.1', 1);
      // Keeps the old one from being done with its commands.
      const late = connection.send(['BLPOP', 'p:list', '5']).catch(() => {});
      expect((await rejection(connection.send(['SET', 'p:k', '1']))).code).to.equal('ERR_READONLY');
      const clients = async (): Promise<number> =>
        String(await redis.sendCommand(['CLIENT', 'LIST', 'TYPE', 'normal']))
          .trim()
          .split('\n').length;
      await until(async () => (await clients()) === 3, 2000).catch(() => {});
      await connection.close(0);
      await until(async () => (await clients()) === 1);
      await late;
      redis.destroy();
      await own.stop();
    });

    it(`makes further attempts beside one that hangs, and uses the first that succeeds: ${kind}`, async () => {
      const held: Socket[] = [];
      const network = createServer((near) => {
        if (held.push(near.on('error', () => {})) > 1) near.resume();
      }).listen(0, '127.0.0.1');
      await once(network, 'listening');
      const errors: string[] = [];
      const connection = open(({ message }) => errors.push(message), (network.address() as AddressInfo).port);
      expect((await rejection(connection.ready())).message).to.match(/ \(handshake\): no handshake within 300 ms\./);
      await until(() => held.length === 3, 5000);
      expect(held.map(({ closed }) => closed)).to.deep.equal([false, false, false]);
      // The server answers the one that has waited longest.
      held[0]?.pipe(connect(server.port, '127.0.0.1').on('error', () => {})).pipe(held[0] as Socket);
      await until(() => connection.status === 'ready');
      expect(String(await connection.send(['PING']))).to.equal('PONG');
      await until(() => held.slice(1).every(({ closed }) => closed));
      expect(held[0]?.closed).to.equal(false);
      expect(errors.every((message) => /no handshake within 300 ms/.test(message))).to.equal(true);
      await connection.close(0);
      network.close();
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
    const connection = openClient({ socket }, { livenessTimeout: 2000 }, () => {});
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

describe('clients of our own', () => {
  it('are ended with all they hold when an attempt fails', async () => {
    const server = await RedisServer.start(['--requirepass', 'right']);
    let held = 0;
    let most = 0;
    const subscribe = async () => {
      most = Math.max(most, ++held);
      return [{ username: 'default', password: 'wrong' }, { dispose: () => held-- }];
    };
    const credentialsProvider = { type: 'streaming-credentials-provider', subscribe, onReAuthenticationError: () => {} } as never;
    const socket = { host: '127.0.0.1', port: server.port, reconnectStrategy: () => 10 };
    const connection = openClient({ credentialsProvider, socket }, { livenessTimeout }, () => {});
    connection.ready().catch(() => {});
    await sleep(300);
    await connection.close(0);
    expect(most).to.be.within(1, 2);
    await until(() => held === 0);
    await server.stop();
  });

  it('may be connected by the application', async () => {
    const server = await RedisServer.start();
    const errors: string[] = [];
    const connection = openClient({ socket: { host: '127.0.0.1', port: server.port } }, { livenessTimeout }, ({ message }) =>
      errors.push(message),
    );
    const client = connection.client as ReturnType<typeof createClient>;
    const connecting = client.connect();
    expect(String(await connection.send(['PING']))).to.equal('PONG');
    await connecting;
    expect(connection.client).to.equal(client);
    expect(errors).to.deep.equal([]);
    await connection.close(0);
    expect(client.isOpen).to.equal(false);
    await server.stop();
  });

  it('tell of an error that they survive', async () => {
    const server = await RedisServer.start();
    const errors: string[] = [];
    const options = { pingInterval: 50, commandOptions: { timeout: 20 }, socket: { host: '127.0.0.1', port: server.port } };
    const connection = openClient(options, { livenessTimeout: 2000 }, ({ message }) => errors.push(message));
    await connection.ready();
    const redis = await rawClient(server);
    await redis.sendCommand(['ACL', 'SETUSER', 'default', '-ping']);
    await until(() => errors.some((message) => /NOPERM/.test(message)));
    expect(connection.status).to.equal('ready');
    await connection.close(0);
    redis.destroy();
    await server.stop();
  });
});
