import type { EventEmitter } from 'node:events';
import { createClient, createClientPool, createCluster } from '@redis/client';
import { expect } from 'chai';
import { closing, openStore, rejection, stopping } from '../../support/open.js';
import { RedisServer } from '../../support/redis.js';
import { SilentProxy } from '../../support/silent-proxy.js';
import { until } from '../../support/until.js';

describe('a client of the application', () => {
  let server: RedisServer;
  const made: { destroy(): void; isOpen: boolean }[] = [];
  const create = (options: object = {}) => {
    const client = createClient({ url: server.adminUrl, ...options });
    made.push(client);
    return client;
  };

  beforeEach(async () => {
    server = await RedisServer.start();
  });
  afterEach(async () => {
    for (const client of made.splice(0)) if (client.isOpen) client.destroy();
    await server.stop();
  });

  it('is not trusted after it has lost a reply, until it is connected again', async () => {
    const client = create();
    client.on('error', () => {});
    await client.connect();
    let isFirst = true;
    await client.subscribe('news', () => {
      if (!isFirst) return;
      isFirst = false;
      throw new Error('a fault of the application');
    });
    const store = openStore({ client, breaker: false });
    await store.mset(Array.from({ length: 50 }, (_, i): [string, string] => [`k${i}`, `v${i}`]));
    void client.publish('news', 'x').catch(() => {});
    const wrong: unknown[] = [];
    const read = async (i: number): Promise<void> => {
      const value = await store.get(`k${i}`);
      if (value !== undefined && value !== `v${i}`) wrong.push([i, value]);
    };
    const reads: Promise<void>[] = [];
    for (let i = 0; i < 100; i++) {
      reads.push(read(i % 50));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(reads);
    expect(wrong).to.deep.equal([]);
    expect(store.status).to.equal('reconnecting');
    expect(store.errors.map(({ message }) => message).join('\n')).to.contain('lost a reply: destroy it and connect it again');
    client.destroy();
    await client.connect();
    await until(async () => (await store.get('k1')) === 'v1', 3000);
  });

  it('sends no write that it could not send in time, once its network is back', async () => {
    const network = await SilentProxy.start(server.port);
    stopping({ stop: async () => network.stop() });
    const client = createClient({ url: `redis://${network.location}` });
    made.push(client);
    client.on('error', () => {});
    await client.connect();
    const store = openStore({ client, timeout: 300 });
    const prefix = store.source.prefix as string;
    await store.set('warm', 1);
    network.silence();
    // More than the sockets take.
    const large = Array.from({ length: 40 }, (_, i) => store.set(`large ${i}`, Buffer.alloc(1e6)));
    expect(await store.set('k', 'old')).to.not.equal(true);
    await Promise.all(large);
    const raw = createClient({ url: server.adminUrl });
    made.push(raw);
    await raw.connect();
    await raw.set(`${prefix}:k`, '"new"');
    network.resume();
    await until(async () => (await store.set('warm', 2)) === (true as never), 5000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await raw.get(`${prefix}:k`)).to.equal('"new"');
  });

  it('sends no write that it could not send in time, once its server is back: a pool', async () => {
    // It comes back after the newer write.
    const pool = createClientPool({ url: server.adminUrl, socket: { reconnectStrategy: 1500 } }, { minimum: 1, maximum: 2 });
    pool.on('error', () => {});
    await pool.connect();
    const store = openStore({ client: pool as never, timeout: 300, breaker: false });
    const prefix = store.source.prefix as string;
    await store.set('warm', 1);
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const failed = await Promise.all(Array.from({ length: 5 }, (_, i) => store.set(`k${i}`, 'old')));
    expect(failed).to.not.include(true);
    await server.restart();
    const raw = createClient({ url: server.adminUrl });
    made.push(raw);
    await raw.connect();
    for (let i = 0; i < 5; i++) await raw.set(`${prefix}:k${i}`, '"new"');
    await until(async () => (await store.set('warm', 2)) === (true as never), 10_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let i = 0; i < 5; i++) expect(await raw.get(`${prefix}:k${i}`)).to.equal('"new"');
    pool.destroy();
  });

  it('is refused with a `keyPrefix`, which would be left out of what a store sends', () => {
    const expected = 'expected `client` to be one without `keyPrefix`: give the store the option `keyPrefix` instead';
    expect(() => openStore({ client: create({ keyPrefix: 'tenant:' }) })).to.throw(expected);
    const cluster = createCluster({ rootNodes: [{ url: server.url }], keyPrefix: 'tenant:' } as never);
    expect(() => openStore({ client: cluster as never })).to.throw(expected);
  });

  for (const when of ['before', 'after'] as const) {
    it(`keeps the listeners that were added ${when} a store was there`, async () => {
      const client = create();
      const heard: unknown[] = [];
      const listen = (): unknown => client.on('error', (error) => heard.push(error));
      if (when === 'before') listen();
      const store = openStore({ client });
      await store.set('k', 1);
      await store.disconnect();
      if (when === 'after') listen();
      await server.stop();
      await until(() => heard.length > 0, 3000);
    });
  }

  it('says that it is overloaded by the name of its own option', async () => {
    const client = create({ commandsQueueMaxLength: 5 });
    client.on('error', () => {});
    const store = closing(openStore({ client, batch: false, onFailure: 'throw' }));
    await store.ready();
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => store.get(`k${i}`)));
    const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(codes).to.have.lengthOf(15);
    expect(new Set(codes)).to.deep.equal(new Set(['ERR_OVERLOADED']));
    expect((await rejection(Promise.all(Array.from({ length: 20 }, (_, i) => store.get(`k${i}`))))).message).to.contain(
      'commandsQueueMaxLength',
    );
  });

  it('is trusted after a ping of its own was not sent', async () => {
    const client = create();
    client.on('error', () => {});
    const store = openStore({ client });
    await store.set('k', 1);
    client.emit('error', new Error('The queue is full'));
    expect(await store.get('k')).to.equal(1);
    expect(store.status).to.equal('ready');
  });

  it('stays closed when it was closed while it reconnected', async () => {
    const client = create();
    client.on('error', () => {});
    const store = openStore({ client });
    await store.set('k', 1);
    await server.stop();
    await until(() => !client.isReady, 3000);
    client.destroy();
    for (let i = 0; i < 3; i++) await store.get('k');
    expect(client.isOpen).to.equal(false);
  });

  it('stays closed when it is a pool that was closed', async () => {
    const client = createClientPool({ url: server.adminUrl });
    (client as unknown as EventEmitter).on('error', () => {});
    const store = openStore({ client: client as never });
    await store.set('k', 1);
    await client.close();
    for (let i = 0; i < 3; i++) await store.get('k');
    expect(client.isOpen).to.equal(false);
  });

  it('stays closed when the application has closed it', async () => {
    const client = create();
    client.on('error', () => {});
    const store = openStore({ client });
    await store.set('k', 1);
    await client.close();
    await store.get('k');
    await store.get('k');
    expect(client.isOpen).to.equal(false);
  });
});
