import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { ConnectionError, type StoreOptions } from '../../../src/index.js';
import { pause } from '../../support/cluster.js';
import { cacheOf } from '../../support/internals.js';
import { openStore, rejection } from '../../support/open.js';
import { RedisSentinels, type Server } from '../../support/sentinel.js';
import { until } from '../../support/until.js';
import { commandStats, rawClient } from '../../support/wire.js';

const timeout = 1000;

describe('sentinels', () => {
  let nodes: RedisSentinels;
  const open = (more: StoreOptions = {}) =>
    openStore({ sentinel: { name: nodes.name, sentinelRootNodes: nodes.rootNodes }, timeout, onFailure: 'throw', ...more });

  beforeEach(async () => {
    nodes = await RedisSentinels.start();
  });
  afterEach(() => nodes.stop());

  /** Whether every server holds what was set: one that does not may be promoted. */
  const isReplicated = async (): Promise<boolean> => {
    const held = nodes.servers.map(async ({ server }) => {
      const redis = await rawClient(server);
      const keys = await redis.keys('*:k');
      redis.destroy();
      return keys.length > 0;
    });
    return (await Promise.all(held)).every(Boolean);
  };

  it('are followed while the one that leads a failover still describes the old primary', async () => {
    const store = open();
    await store.set('k', 1);
    await until(isReplicated);
    const old = await nodes.primary();
    for (const { server } of nodes.sentinels.slice(1)) await server.stop();
    const { port } = nodes.sentinels[0] as Server;
    for (const option of ['down-after-milliseconds', 'failover-timeout']) {
      await nodes.ask(['SENTINEL', 'SET', nodes.name, option, '60000'], port);
    }
    // It waits for this one to follow the new primary.
    await nodes.servers[2]?.server.kill();
    await pause(300);
    await nodes.ask(['SENTINEL', 'FAILOVER', nodes.name], port);
    const now = await nodes.promoted(old);
    const redis = await rawClient(now.server);
    const [key] = await redis.keys('*:k');
    const promoted = performance.now();
    for (let n = 2; (await redis.get(key as string)) === '1'; n++) {
      expect(performance.now() - promoted).to.be.below(10_000);
      await store.set('k', n).catch(() => {});
    }
    const primary = (await nodes.ask(['SENTINEL', 'MASTER', nodes.name], port)) as string[];
    expect(primary).to.include(String(old.port));
    redis.destroy();
  });

  it('are followed when they are told to fail over', async () => {
    const store = open();
    await store.set('k', 1);
    await until(isReplicated);
    const old = await nodes.primary();
    await pause(300);
    await nodes.ask(['SENTINEL', 'FAILOVER', nodes.name]);
    const now = await nodes.promoted(old);
    const promoted = performance.now();
    const redis = await rawClient(now.server);
    const [key] = await redis.keys('*:k');
    // The old primary would go on taking writes, and lose them.
    for (let n = 2; (await redis.get(key as string)) === '1'; n++) {
      expect(performance.now() - promoted).to.be.below(2000);
      await store.set('k', n).catch(() => {});
    }
    console.log(
      `      told to fail over: writes arrive at the new primary ${Math.round(performance.now() - promoted)} ms after the switch`,
    );
    redis.destroy();
  });

  it('need not be there as long as the primary is', async () => {
    const store = open();
    await store.set('k', 1);
    for (const { server } of nodes.sentinels) await server.stop();
    await pause(300);
    expect(await store.get('k')).to.equal(1);
    expect(store.errors).to.deep.equal([]);
  });

  it('are asked for all at once: one that is frozen and one that is gone hold nothing up', async () => {
    nodes.sentinels[0]?.server.freeze();
    await nodes.sentinels[1]?.server.stop();
    const store = open();
    const start = performance.now();
    await store.ready();
    expect(performance.now() - start).to.be.below(800);
    expect(await store.get('k')).to.equal(undefined);
  });

  it('are each asked once at a time, be they named by the options, by another sentinel or by both', async () => {
    const dialled: number[] = [];
    const onSocket = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      socket.once('connect', () => dialled.push(socket.remotePort as number));
    };
    const { name, rootNodes } = nodes;
    const store = openStore({ sentinel: { name, sentinelRootNodes: rootNodes, scanInterval: 300 } });
    await store.ready();
    subscribe('net.client.socket', onSocket);
    try {
      await until(() => dialled.length > 0);
      await pause(100);
      expect(dialled.sort()).to.deep.equal(nodes.sentinels.map(({ port }) => port).sort());
    } finally {
      unsubscribe('net.client.socket', onSocket);
    }
  });

  it('have their replicas read where it is asked for, and written to nowhere', async () => {
    const store = open({ readFrom: 'replica' });
    await cacheOf(store).writer.setMany(Array.from({ length: 20 }, (_, i): [string, number] => [`k${i}`, i]));
    await pause(300);
    const clients = await Promise.all(nodes.servers.map(({ server }) => rawClient(server)));
    for (const redis of clients) await redis.configResetStat();
    for (let i = 0; i < 20; i++) expect(await store.get(`k${i}`)).to.equal(i);
    expect(await store.mget('k1', 'k2')).to.deep.equal([1, 2]);
    await store.set('k1', 5);
    const [primary, ...replicas] = await Promise.all(clients.map((redis) => commandStats(redis)));
    expect(primary).to.include({ set: 1 }).and.not.to.have.any.keys('get', 'mget');
    for (const replica of replicas) expect(replica['get']).to.be.within(8, 12);
    for (const redis of clients) redis.destroy();
  });

  it('have their replicas read also while there is no primary', async () => {
    const store = open({ readFrom: 'replica', breaker: false });
    await store.set('k', 1);
    await until(async () => (await store.get('k')) === 1);
    const primary = await nodes.primary();
    for (const { server } of nodes.sentinels) server.freeze();
    await primary.server.stop();
    await until(() => store.status === 'reconnecting');
    for (let i = 0; i < 20; i++) expect(await store.get('k')).to.equal(1);
    expect(await rejection(store.set('k', 2))).to.have.property('code', 'ERR_CONNECTION');
  });

  it('that do not know the name make ready reject', async () => {
    const store = openStore({ sentinel: { name: 'elsewhere', sentinelRootNodes: nodes.rootNodes } });
    const error = await rejection(store.ready());
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error.message).to.contain('does not know `elsewhere`');
  });
});
