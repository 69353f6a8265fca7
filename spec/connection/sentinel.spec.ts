import { expect } from 'chai';
import { ConnectionError, type StoreOptions } from '../../src/index.js';
import { pause } from '../support/cluster.js';
import { load, recovery } from '../support/load.js';
import { openStore, rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { RedisSentinels, type Server } from '../support/sentinel.js';
import { until } from '../support/until.js';
import { commandStats, rawClient } from '../support/wire.js';

const timeout = 1000;
const slack = 250;

describe('sentinels', () => {
  let nodes: RedisSentinels;
  const open = (more: StoreOptions = {}) =>
    openStore({ sentinel: { name: nodes.name, sentinelRootNodes: nodes.rootNodes }, timeout, onFailure: 'throw', ...more });

  beforeEach(async () => {
    nodes = await RedisSentinels.start();
  });
  afterEach(() => nodes.stop());

  for (const fault of ['killed', 'frozen', 'restarted'] as const) {
    it(`lead to the new primary soon after the promotion, every call settling in time, with the primary ${fault} under load`, async function () {
      this.timeout(40_000);
      const store = open();
      await store.ready();
      const old = await nodes.primary();
      const running = load(store);
      await pause(500);
      const start = performance.now();
      if (fault === 'frozen') old.server.freeze();
      else await old.server.stop();
      if (fault === 'restarted') nodes.servers.push({ port: old.port, server: await RedisServer.start([], old.port) });
      // Restarted before the sentinels saw that it was gone, it stays the primary.
      const back = fault === 'restarted' ? old : await nodes.promoted(old);
      const promoted = performance.now();
      await pause(3500);
      const report = await running.stop();
      const after = recovery(report, promoted);
      const codes = [...new Set(report.failures.map(({ code }) => code))];
      console.log(
        `      ${fault}: ${back.port === old.port ? 'back' : 'promoted'} after ${Math.round(promoted - start)} ms, last failure ${after} ms after that, ` +
          `longest call ${Math.round(report.longest)} ms, ${report.failures.length} of ${report.calls} calls failed ${codes}`,
      );
      expect(report.wrong).to.deep.equal([]);
      expect(report.longest).to.be.below(timeout + slack);
      expect(report.failures.length).to.be.above(0);
      expect(after).to.be.below(2000);
      if (fault !== 'frozen') return;
      // The old primary wakes up and believes for a moment that it is the primary still.
      old.server.thaw();
      await store.set('after', 1);
      await pause(500);
      expect(await store.get('after')).to.equal(1);
      const redis = await rawClient(back.server);
      expect(await redis.keys('*:after')).to.have.length(1);
      redis.destroy();
    });
  }

  it('are followed while the one that leads a failover still describes the old primary', async () => {
    const store = open();
    await store.set('k', 1);
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

  it('have their replicas read where it is asked for, and written to nowhere', async () => {
    const store = open({ readFrom: 'replica' });
    await store.putMany(Array.from({ length: 20 }, (_, i): [string, number] => [`k${i}`, i]));
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

  it('who do not know the name say so in ready', async () => {
    const store = openStore({ sentinel: { name: 'elsewhere', sentinelRootNodes: nodes.rootNodes } });
    const error = await rejection(store.ready());
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error.message).to.contain('does not know elsewhere');
  });
});
