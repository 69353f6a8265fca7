import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { ConnectionError, type StoreOptions } from '../../src/index.js';
import { minimalUsers } from '../support/acl.js';
import { type ClusterNode, pause, RedisCluster } from '../support/cluster.js';
import { compiled } from '../support/compiled.js';
import { load, recovery, timeToSettle } from '../support/load.js';
import { openStore, rejection } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { runScript } from '../support/script.js';
import { RedisSentinels } from '../support/sentinel.js';
import { until } from '../support/until.js';
import { commandStats } from '../support/wire.js';

const timeout = 1000;
const slack = 250;

describe('a cluster', () => {
  let cluster: RedisCluster;
  const open = (more: StoreOptions = {}) => openStore({ cluster: { rootNodes: cluster.rootNodes }, timeout, onFailure: 'throw', ...more });
  const primaryOf = async (index: number): Promise<{ node: ClusterNode; slot: number }> => {
    const { node, slots } = (await cluster.primaries())[index] as Awaited<ReturnType<RedisCluster['primaries']>>[number];
    return { node, slot: (slots[0] as [number, number])[0] };
  };

  const start = async (): Promise<void> => {
    cluster = await RedisCluster.start({ spare: 1 });
  };
  const stop = (): Promise<void> => cluster.stop();

  describe('that stays as it is', () => {
    before(start);
    after(stop);

    it('empties its own prefix on every primary and leaves everything else', async () => {
      const [mine, other] = [open(), open()];
      const entries = Array.from({ length: 300 }, (_, i): [string, number] => [`k${i}`, i]);
      await Promise.all([mine.putMany(entries), other.putMany(entries)]);
      const sizes = await Promise.all([0, 1, 2].map(async (i) => (await primaryOf(i)).node.redis.dbSize()));
      for (const size of sizes) expect(size).to.be.above(50);
      expect((await mine.keys()).sort()).to.deep.equal(entries.map(([key]) => key).sort());
      expect(await mine.delPattern('k1?')).to.equal(10);
      await mine.reset();
      expect(await mine.keys()).to.deep.equal([]);
      expect(await other.keys()).to.have.length(300);
    });

    it('goes on with a scan where an earlier one got to', async () => {
      const store = open();
      await store.putMany(Array.from({ length: 2000 }, (_, i): [string, number] => [`k${i}`, i]));
      const cursors: string[] = [];
      for await (const { cursor } of store.reencode()) cursors.push(cursor);
      expect(cursors.at(-1)).to.equal('0');
      expect(cursors.slice(0, -1).every((cursor) => /^\d+@127\.0\.0\.1:\d+$/.test(cursor))).to.equal(true);
      const half = cursors[Math.floor(cursors.length / 2)] as string;
      let rest: string[] = [];
      for await (const { cursor } of store.reencode({ cursor: half })) rest.push(cursor);
      expect(rest).to.deep.equal(cursors.slice(cursors.indexOf(half) + 1));
      rest = [];
      expect(await rejection(drain(store.reencode({ cursor: '5@10.0.0.1:1' })))).to.have.property('code', 'ERR_ARGUMENT');
    });

    it('moves an entry to another version, which is in another slot', async () => {
      const prefix = randomUUID();
      const [first, second] = [open({ prefix, version: 1 }), open({ prefix, version: 2 })];
      await first.set('k', { some: 'value' }, 60_000);
      expect(await first.incrVersion('k')).to.equal(2);
      expect(await second.get('k')).to.deep.equal({ some: 'value' });
      expect(await second.ttl('k')).to.be.within(50_000, 60_000);
      expect(await first.has('k')).to.equal(false);
      expect(await rejection(first.incrVersion('k'))).to.have.property('code', 'ERR_MISSING_KEY');
    });

    it('reads from replicas where it is told to, and writes to primaries', async () => {
      const store = open({ readFrom: 'replica' });
      await store.putMany(Array.from({ length: 60 }, (_, i): [string, number] => [`k${i}`, i]));
      await pause(200);
      for (const { redis } of cluster.nodes) await redis.configResetStat();
      for (let i = 0; i < 60; i++) expect(await store.get(`k${i}`)).to.equal(i);
      expect(await store.mget('k1', 'k2', 'k3')).to.deep.equal([1, 2, 3]);
      await store.set('k1', 2);
      const stats = await Promise.all(cluster.nodes.map(({ redis }) => commandStats(redis as never)));
      const primaries = stats.slice(0, 3);
      const replicas = stats.slice(3, 6);
      expect(sum(primaries, 'get') + sum(primaries, 'mget')).to.equal(0);
      expect(sum(replicas, 'get') + sum(replicas, 'mget')).to.be.at.least(61);
      expect(sum(primaries, 'set')).to.equal(1);
    });

    it('says in ready why there is no cluster', async () => {
      const server = await RedisServer.start(minimalUsers('cluster'));
      const store = openStore({ cluster: { rootNodes: [{ url: server.url }] } });
      const error = await rejection(store.ready());
      expect(error).to.be.instanceOf(ConnectionError);
      expect(error.message).to.contain('cluster support disabled');
      await server.stop();
    });
  });

  describe('to which something happens', () => {
    beforeEach(start);
    afterEach(stop);

    it('spreads 1 000 keys over all primaries and gives them back in order while slots move under load', async () => {
      const store = open();
      const entries = Array.from({ length: 1000 }, (_, i): [string, number] => [`k${i}`, i]);
      await store.putMany(entries);
      const spare = cluster.nodes[6] as ClusterNode;
      const from = await Promise.all([0, 1, 2].map(primaryOf));
      let moving = true;
      const move = (async () => {
        for (let i = 0; i < 40; i++) for (const { node, slot } of from) await cluster.moveSlot(slot + i, node, spare, 2);
        moving = false;
      })();
      const background = load(store, 20);
      let rounds = 0;
      // And keys of one slot, which one command fetches where it can.
      const tagged = Array.from({ length: 50 }, (_, i) => `{k${i % 10}}:${i}`);
      while (moving) {
        expect(await store.mget(...entries.map(([key]) => key))).to.deep.equal(entries.map(([, value]) => value));
        await Promise.all(tagged.map((key) => store.set(key, key)));
        expect(await store.mget(...tagged)).to.deep.equal(tagged);
        expect(await store.hasMany(tagged)).to.deep.equal(tagged.map(() => true));
        rounds++;
      }
      await move;
      const report = await background.stop();
      expect(rounds).to.be.above(3);
      expect(report.failures).to.deep.equal([]);
      expect(report.wrong).to.deep.equal([]);
      expect(await spare.redis.dbSize()).to.be.above(0);
      expect(await store.remove(entries.map(([key]) => key))).to.equal(1000);
      expect(store.errors).to.deep.equal([]);
    });

    it('sends nothing again for a caller who was told that it failed, and makes pauses where a slot is served by nobody', async () => {
      const store = open();
      const { node, slot } = await primaryOf(0);
      const key = `{${tagOfSlot(slot)}}`;
      await store.ready();
      const everyone = (command: string) =>
        Promise.all(cluster.nodes.map(({ redis }) => redis.sendCommand(['CLUSTER', command, `${slot}`])));
      await everyone('DELSLOTS').catch(() => {});
      await node.redis.configResetStat();
      const controller = new AbortController();
      const short = rejection(store.with({ timeout: 60 }).put(key, 1));
      const aborted = rejection(store.with({ signal: controller.signal }).put(`${key}b`, 1));
      const many = rejection(store.with({ timeout: 60 }).putMany([[`${key}c`, 1]]));
      await pause(30);
      controller.abort();
      expect((await short).code).to.equal('ERR_TIMEOUT');
      expect((await aborted).code).to.equal('ERR_ABORTED');
      await many;
      await node.redis.sendCommand(['CLUSTER', 'ADDSLOTS', `${slot}`]);
      await pause(700);
      expect(await node.redis.sendCommand(['CLUSTER', 'COUNTKEYSINSLOT', `${slot}`])).to.equal(0);
      const asked = sum(await Promise.all(cluster.nodes.map(({ redis }) => commandStats(redis as never))), 'set');
      expect(asked).to.be.below(10);
    });

    it('asks both nodes for keys of a slot that stand on both', async () => {
      const store = open();
      const { node: from, slot } = await primaryOf(0);
      const spare = cluster.nodes[6] as ClusterNode;
      const tag = tagOfSlot(slot);
      const keys = Array.from({ length: 20 }, (_, i) => `{${tag}}:${i}`);
      const prefix = `{${tag}}:`;
      const inOneSlot = open({
        keyFunction: (key) => `${prefix}${key}`,
        parseKey: (wire) => wire.slice(prefix.length),
        keyPattern: `${prefix}*`,
      });
      for (const key of keys) await inOneSlot.set(key, key);
      await spare.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id]);
      await from.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', spare.id]);
      const some = keys.slice(0, 8).map((key) => prefix + key);
      await from.redis.sendCommand(['MIGRATE', '127.0.0.1', String(spare.port), '', '0', '5000', ...cluster.auth, 'KEYS', ...some]);
      expect(await spare.redis.dbSize()).to.equal(8);
      expect(await inOneSlot.mget(...keys)).to.deep.equal(keys);
      expect(await inOneSlot.incr('counter', 1, { initial: 0 })).to.equal(1);
      expect(await inOneSlot.remove(keys)).to.equal(20);
      expect(inOneSlot.errors).to.deep.equal([]);
      await store.disconnect();
    });

    for (const fault of ['killed', 'frozen'] as const) {
      it(`settles every call in time and is whole again soon after the promotion, with a primary ${fault} under load`, async function () {
        this.timeout(40_000);
        const store = open();
        await store.ready();
        const { node, slot } = await primaryOf(1);
        const running = load(store);
        await pause(500);
        const start = performance.now();
        if (fault === 'killed') await node.server.stop();
        else node.server.freeze();
        await cluster.promoted(slot, node);
        const promoted = performance.now();
        await pause(3500);
        const report = await running.stop();
        const back = recovery(report, promoted);
        const codes = [...new Set(report.failures.map(({ code }) => code))];
        console.log(
          `      ${fault}: promoted after ${Math.round(promoted - start)} ms, last failure ${back} ms after that, ` +
            `longest call ${Math.round(report.longest)} ms, ${report.failures.length} of ${report.calls} calls failed ${codes}`,
        );
        expect(report.wrong).to.deep.equal([]);
        expect(report.longest).to.be.below(timeout + slack);
        expect(report.failures.length).to.be.above(0);
        expect(back).to.be.below(2000);
        // The others were not held up: two thirds of the calls and more went through all the while.
        expect(report.failures.length / report.calls).to.be.below(0.5);
        if (fault === 'frozen') node.server.thaw();
        await pause(1000);
        await store.set('after', 1);
        expect(await store.get('after')).to.equal(1);
      });
    }

    it('comes back by itself when all nodes were gone', async function () {
      this.timeout(40_000);
      const store = open();
      await store.set('k', 1);
      for (const { server } of cluster.nodes) server.freeze();
      expect(await timeToSettle(() => rejection(store.get('k')))).to.be.below(timeout + slack);
      await pause(2500);
      for (const { server } of cluster.nodes) server.thaw();
      // After a pause they take each other for dead for a while.
      const served = cluster.served().then(() => performance.now());
      const right = (async () => {
        while ((await store.get('k').catch(() => undefined)) !== 1) await pause(20);
        return performance.now();
      })();
      const [from, back] = await Promise.all([served, right]);
      console.log(`      all nodes thawed: right again ${Math.round(back - from)} ms after every slot was served`);
      expect(back - from).to.be.below(2000);
    });

    it('fails the calls for a node that is known to be down at once', async () => {
      const store = open({ breaker: false });
      await store.putMany(Array.from({ length: 100 }, (_, i): [string, number] => [`k${i}`, i]));
      const { node } = await primaryOf(0);
      node.server.freeze();
      const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => store.get(`k${i}`)));
      const failed = results.flatMap(({ status }, i) => (status === 'rejected' ? [`k${i}`] : []));
      expect(failed.length).to.be.within(10, 60);
      await pause(300);
      const start = performance.now();
      await Promise.allSettled(failed.map((key) => store.get(key)));
      expect(performance.now() - start).to.be.below(500);
    });

    it('reads from the primary where the replica is gone', async () => {
      const store = open({ readFrom: 'replica' });
      await store.putMany(Array.from({ length: 60 }, (_, i): [string, number] => [`k${i}`, i]));
      await store.get('k1');
      for (const { server } of cluster.nodes.slice(3, 6)) await server.stop();
      for (let i = 0; i < 60; i++) expect(await store.get(`k${i}`)).to.equal(i);
    });

    it('is given up with every node when the store is disconnected, also while nodes are down', async () => {
      const nodes = await RedisSentinels.start();
      const script = `
        const { redisStore } = require('${compiled('src/index.ts')}');
        const options = ${JSON.stringify([
          { cluster: { rootNodes: cluster.rootNodes }, readFrom: 'replica' },
          { sentinel: { name: nodes.name, sentinelRootNodes: nodes.rootNodes }, readFrom: 'replica' },
        ])};
        const stores = options.map((each) => redisStore({ ...each, timeout: 300 }));
        for (const store of stores) store.on('error', () => {});
        (async () => {
          await Promise.all(stores.map((store) => store.set('k', 1)));
          console.log('ready');
          await new Promise((resolve) => process.stdin.once('data', resolve));
          process.stdin.destroy();
          await Promise.all(stores.flatMap((store) => Array.from({ length: 50 }, (_, i) => store.get('k' + i))));
          await Promise.all(stores.map((store) => store.disconnect()));
          console.log('disconnected');
        })();`;
      const ended = await runScript(script, async () => {
        (await primaryOf(0)).node.server.freeze();
        await (await primaryOf(1)).node.server.stop();
        (await nodes.primary()).server.freeze();
        nodes.sentinels[0]?.server.freeze();
      });
      expect(ended).to.deep.equal({ code: 0, signal: null, output: 'ready\ndisconnected\n' });
      await nodes.stop();
    });

    it('survives a strategy that throws, and comes back by its own', async () => {
      const socket = {
        reconnectStrategy: () => {
          throw new Error('no idea');
        },
      } as never;
      const store = open({ socket, breaker: false });
      await store.set('k', 1);
      for (const { server } of cluster.nodes.slice(0, 6)) server.freeze();
      await rejection(store.get('k'));
      await pause(1500);
      for (const { server } of cluster.nodes) server.thaw();
      await until(async () => (await store.get('k').catch(() => undefined)) === 1, 5000);
      expect(store.errors.some(({ message }) => message.includes('reconnectStrategy failed: no idea'))).to.equal(true);
    });

    it('reconnects by the strategy it was given', async () => {
      const retries: number[] = [];
      const socket = { reconnectStrategy: (retry: number) => retries.push(retry) && 40 } as never;
      const store = open({ socket });
      await store.ready();
      const { node } = await primaryOf(0);
      await node.server.stop();
      await pause(700);
      expect(retries.length).to.be.above(5);
    });
  });
});

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

function sum(stats: readonly Record<string, number>[], command: string): number {
  return stats.reduce((total, each) => total + (each[command] ?? 0), 0);
}

/** A tag whose slot is this one. */
function tagOfSlot(slot: number): string {
  const slotOf = require('cluster-key-slot') as (key: string) => number;
  for (let i = 0; ; i++) if (slotOf(`t${i}`) === slot) return `t${i}`;
}
