import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { ConnectionError, type StoreOptions } from '../../../src/index.js';
import { minimalUsers } from '../../support/acl.js';
import { type ClusterNode, pause, RedisCluster } from '../../support/cluster.js';
import { cacheOf } from '../../support/internals.js';
import { load } from '../../support/load.js';
import { openStore, rejection } from '../../support/open.js';
import { RedisServer } from '../../support/redis.js';
import { commandStats } from '../../support/wire.js';

const timeout = 1000;

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
      await Promise.all([cacheOf(mine).writer.setMany(entries), cacheOf(other).writer.setMany(entries)]);
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
      await cacheOf(store).writer.setMany(Array.from({ length: 2000 }, (_, i): [string, number] => [`k${i}`, i]));
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

    it('moves an entry that is about to expire with its end, also where PTTL is refused', async () => {
      const prefix = randomUUID();
      const [first, second] = [open({ prefix, version: 1 }), open({ prefix, version: 2 })];
      const allow = (...rules: string[]) =>
        Promise.all(cluster.nodes.map(({ redis }) => redis.sendCommand(['ACL', 'SETUSER', 'default', ...rules])));
      await allow('+ttl', '-pttl');
      try {
        await first.set('k', 1, 450);
        expect(await first.incrVersion('k')).to.equal(2);
        await pause(500);
        expect(await second.get('k')).to.equal(undefined);
      } finally {
        await allow('+pttl');
      }
    });

    it('reads from replicas where it is told to, and writes to primaries', async () => {
      const store = open({ readFrom: 'replica' });
      await cacheOf(store).writer.setMany(Array.from({ length: 60 }, (_, i): [string, number] => [`k${i}`, i]));
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
      await cacheOf(store).writer.setMany(entries);
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
        expect(await cacheOf(store).reader.hasMany(tagged)).to.deep.equal(tagged.map(() => true));
        rounds++;
      }
      await move;
      const report = await background.stop();
      expect(rounds).to.be.above(3);
      expect(report.failures).to.deep.equal([]);
      expect(report.wrong).to.deep.equal([]);
      expect(await spare.redis.dbSize()).to.be.above(0);
      expect(await cacheOf(store).writer.unlinkCounted(entries.map(([key]) => key))).to.equal(1000);
      expect(store.errors).to.deep.equal([]);
    });

    it('sends nothing again after its caller got an error, and pauses while no node serves a slot', async () => {
      const store = open();
      const { node, slot } = await primaryOf(0);
      const key = `{${tagOfSlot(slot)}}`;
      await store.ready();
      const everyone = (command: string) =>
        Promise.all(cluster.nodes.map(({ redis }) => redis.sendCommand(['CLUSTER', command, `${slot}`])));
      await everyone('DELSLOTS').catch(() => {});
      await node.redis.configResetStat();
      const controller = new AbortController();
      const short = rejection(cacheOf(store.with({ timeout: 60 })).writer.set(key, 1));
      const aborted = rejection(cacheOf(store.with({ signal: controller.signal })).writer.set(`${key}b`, 1));
      const many = rejection(cacheOf(store.with({ timeout: 60 })).writer.setMany([[`${key}c`, 1]]));
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

    it('follows no more redirections than it was told', async () => {
      const store = open({ cluster: { rootNodes: cluster.rootNodes, maxCommandRedirections: 3 }, onFailure: 'throw', timeout: 2000 });
      await store.ready();
      const { node, slot } = await primaryOf(0);
      const { node: other } = await primaryOf(1);
      // Each says that the other one serves the slot.
      const assign = (at: ClusterNode, to: ClusterNode) => at.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'NODE', to.id]);
      await Promise.all([assign(node, other), assign(other, node)]);
      const start = performance.now();
      expect((await rejection(store.get(`{${tagOfSlot(slot)}}`))).code).to.equal('ERR_REDIRECT');
      expect(performance.now() - start).to.be.below(1000);
      await Promise.all([assign(node, node), assign(other, node)]);
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
        parseKey: (redisKey) => redisKey.slice(prefix.length),
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
      expect(await cacheOf(inOneSlot).writer.unlinkCounted(keys)).to.equal(20);
      expect(inOneSlot.errors).to.deep.equal([]);
      await store.disconnect();
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
