import { randomUUID } from 'node:crypto';
import { createClient } from '@redis/client';
import { expect } from 'chai';
import { openClient } from '../../src/connection/client/open-client.js';
import { ConnectionError, createPool, RoundRobinPool, redisStore, type StoreOptions } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { block } from '../support/block.js';
import { certificates, otherCertificates } from '../support/certificates.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore, rejection } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { tlsServer } from '../support/settings.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

async function connectionsReceived(server: RedisServer): Promise<number> {
  const client = await rawClient(server);
  const info = await client.info('stats');
  client.destroy();
  return Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
}

describe('connecting', () => {
  it('connects to nothing before the first call', async () => {
    const before = await connectionsReceived(sharedServer());
    const store = openStore();
    createKeyv({ location: sharedServer().location });
    expect(store.status).to.equal('idle');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await connectionsReceived(sharedServer())).to.equal(before + 1);
  });

  it('opens one connection for 1 000 concurrent first calls on a cold store and loses no write', async () => {
    const before = await connectionsReceived(sharedServer());
    const store = openStore();
    await Promise.all(Array.from({ length: 1000 }, (_, i) => store.set(`k${i}`, i)));
    expect(await connectionsReceived(sharedServer())).to.equal(before + 2);
    const values = await store.mget(...Array.from({ length: 1000 }, (_, i) => `k${i}`));
    expect(values).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i));
    expect(store.errors).to.deep.equal([]);
  });

  it('says why it cannot, and connects once the server is there', async () => {
    const port = await freePort();
    const store = openStore({ location: `127.0.0.1:${port}` });
    const refused = await rejection(store.ready());
    expect(refused).to.include({ code: 'ERR_CONNECTION', name: 'ConnectionError' });
    expect(refused.message).to.match(/ECONNREFUSED/);
    const server = await RedisServer.start([], port);
    await until(() => store.status === 'ready', 10_000);
    await store.set('k', 1);
    expect(await store.get('k')).to.equal(1);
    await server.stop();
  });

  it('forgets an attempt that ended for good, so that the next call tries again', async () => {
    const port = await freePort();
    const store = openStore({ location: `127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
    expect(await store.get('k')).to.equal(undefined);
    expect(store.status).to.equal('idle');
    const server = await RedisServer.start([], port);
    await store.set('k', 1);
    expect(await store.get('k')).to.equal(1);
    await server.stop();
  });

  it('says so in ready() when the password is wrong, and never shows it', async () => {
    const server = await RedisServer.start(['--requirepass', 'right']);
    for (const options of [
      { location: server.location, password: 'wr0ng-secret' },
      { location: `redis://:wr0ng-secret@${server.location}` },
    ]) {
      const store = openStore(options);
      const error = await rejection(store.ready());
      expect(error).to.be.instanceOf(ConnectionError).and.include({ code: 'ERR_AUTH', name: 'AuthenticationError' });
      expect(error.message).to.match(/WRONGPASS/);
      expect(`${error.stack} ${JSON.stringify(error)} ${JSON.stringify(store.errors)}`).not.to.contain('wr0ng-secret');
    }
    await server.stop();
  });

  it('goes on after the server was killed and came back', async () => {
    const port = await freePort();
    let server = await RedisServer.start([], port);
    const store = openStore({ location: `127.0.0.1:${port}` });
    await store.set('k', 1);
    await server.stop();
    expect(await store.get('k')).to.equal(undefined);
    expect(await rejection(store.del('k'))).to.be.instanceOf(ConnectionError);
    expect(store.status).to.equal('reconnecting');
    server = await RedisServer.start([], port);
    await until(() => store.status === 'ready', 10_000);
    await store.set('k', 2);
    expect(await store.get('k')).to.equal(2);
    await server.stop();
  });

  it('refuses a server whose certificate the CA did not sign', async () => {
    const { ca, server: own, client } = await certificates();
    const port = await freePort();
    const server = await tlsServer(port, ca.cert, own);
    const { ca: other } = await otherCertificates();
    const socket = (trusted: string) => ({ ca: trusted, cert: client.cert, key: client.key }) as NonNullable<StoreOptions['socket']>;
    expect((await rejection(openStore({ location: `rediss://127.0.0.1:${port}`, socket: socket(other.cert) }).ready())).code).to.equal(
      'ERR_CONNECTION',
    );
    await openStore({ location: `rediss://127.0.0.1:${port}`, socket: socket(ca.cert) }).ready();
    await server.stop();
  });

  it('accepts every way of naming a server', async () => {
    const server = sharedServer();
    const ways: StoreOptions[] = [
      { location: server.location },
      { location: server.url },
      { location: `${server.url}\n` },
      { location: `${server.url}/3` },
      { location: server.unixSocket },
      { location: `unix://${server.unixSocket}` },
      { location: `unix://${server.unixSocket}?db=4` },
      { url: server.url },
      { socket: { host: '127.0.0.1', port: server.port } },
      { socket: { path: server.unixSocket, tls: false } },
    ];
    for (const way of ways) {
      const store = openStore(way);
      await store.set('k', 'v');
      expect(await store.get('k'), JSON.stringify(way)).to.equal('v');
    }
  });

  it('passes node-redis options through', async () => {
    const name = `spec-${randomUUID()}`;
    const store = openStore({ name, database: 5, pingInterval: 1000, socket: { host: '127.0.0.1', port: sharedServer().port } });
    await store.set('k', 1);
    const client = await rawClient(sharedServer());
    const line = ((await client.sendCommand(['CLIENT', 'LIST'])) as string).split('\n').find((each) => each.includes(`name=${name}`));
    expect(line).to.match(/ db=5 /);
    client.destroy();
  });
});

describe('a client of the user’s own', () => {
  it('is used, connected where it is not, shared by many stores, and never closed', async () => {
    const client = createClient({ url: sharedServer().url });
    client.on('error', () => {});
    const listeners = client.eventNames().map((event) => client.listenerCount(event));
    const stores = Array.from({ length: 20 }, () => openStore({ client }));
    await Promise.all(stores.map((store, i) => store.set('k', i)));
    expect(await Promise.all(stores.map((store) => store.get('k')))).to.deep.equal(stores.map((_, i) => i));
    await Promise.all(stores.map((store) => store.disconnect()));
    expect(client.isReady).to.equal(true);
    expect(await client.ping()).to.equal('PONG');
    expect(client.eventNames().map((event) => client.listenerCount(event))).to.deep.equal(listeners);
    client.destroy();
  });

  it('is what `client` gives, ours as well', async () => {
    const store = openStore();
    await store.ready();
    expect(await store.client?.ping()).to.equal('PONG');
  });
});

describe('a client that its owner closed', () => {
  it('is connected again by the next call', async () => {
    const store = openStore();
    await store.set('k', 1);
    await store.client?.close();
    expect(store.status).to.equal('idle');
    expect(await store.get('k')).to.equal(1);
    expect(store.errors).to.deep.equal([]);
  });
});

describe('a process that was busy', () => {
  it('does not take answers that wait to be read for missing ones', async () => {
    const server = await RedisServer.start();
    const store = openStore({ location: server.location, timeout: 200 });
    await store.set('k', 1);
    // The commands are on their way before this process is busy, the answers come while it is.
    server.freeze();
    const reads = Array.from({ length: 20 }, () => store.get('k'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.thaw();
    block(600);
    expect(await Promise.all(reads)).to.deep.equal(reads.map(() => 1));
    expect(store.errors).to.deep.equal([]);
    await server.stop();
  });
});

describe('disconnecting', () => {
  it('is idempotent, waits for what is in flight, and ends what comes after', async () => {
    for (const options of [{}, { pool: { class: RoundRobinPool, size: 2 }, location: sharedServer().location }]) {
      const store = openStore(options);
      await Promise.all(Array.from({ length: 100 }, (_, i) => store.set(`k${i}`, i)));
      const reads = Promise.all(Array.from({ length: 100 }, (_, i) => store.get(`k${i}`)));
      await Promise.all([store.disconnect(), store.disconnect()]);
      expect(await reads).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
      expect(store.status).to.equal('closed');
      expect(await store.get('k1')).to.equal(undefined);
      expect(store.errors.at(-1)).to.include({ code: 'ERR_CLOSED', operation: 'get', key: 'k1' });
      expect((await rejection(store.del('k1'))).code).to.equal('ERR_CLOSED');
      expect((await rejection(store.ready())).code).to.equal('ERR_CLOSED');
    }
  });

  it('leaves no connection behind that was still on its way', async () => {
    const server = await RedisServer.start();
    const redis = await rawClient(server);
    const connections = Array.from({ length: 5 }, () =>
      openClient({ name: 'left-behind', socket: { host: '127.0.0.1', port: server.port } }, { livenessTimeout: 1000 }, () => {}),
    );
    for (const connection of connections) connection.ready().catch(() => {});
    await Promise.all(connections.map((connection) => connection.close(0)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await redis.sendCommand<string>(['CLIENT', 'LIST'])).not.to.contain('left-behind');
    redis.destroy();
    await server.stop();
  });

  it('may come first', async () => {
    const store = closing(redisStore({ location: '127.0.0.1:1' }));
    await store.disconnect();
    expect(await store.get('k')).to.equal(undefined);
  });
});

describe('memory:', () => {
  it('is closed by disconnect() like any other', async () => {
    const store = openStore({ location: 'memory:' });
    await store.set('k', 1);
    await store.disconnect();
    expect(store.status).to.equal('closed');
    expect(await store.get('k')).to.equal(undefined);
    expect(store.errors.at(-1)).to.include({ code: 'ERR_CLOSED', operation: 'get' });
    for (const call of [() => store.del('k'), () => store.reset(), () => store.ready(), () => store.ping(), () => store.keys()]) {
      expect((await rejection(call())).code).to.equal('ERR_CLOSED');
    }
  });

  it('holds at most `max` entries, the most recently used', async () => {
    const store = openStore({ location: 'memory:', max: 3 });
    for (let i = 0; i < 5; i++) await store.set(`k${i}`, i);
    expect(await store.mget('k0', 'k1', 'k2', 'k3', 'k4')).to.deep.equal([undefined, undefined, 2, 3, 4]);
  });

  it('has no connections to pool', () => {
    expect(() => createPool({ location: 'memory:' })).to.throw('expected `location` to be a Redis server, got `memory:`');
  });
});
