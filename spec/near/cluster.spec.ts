import { setTimeout as sleep } from 'node:timers/promises';
import { createCluster } from '@redis/client';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { type ClusterNode, RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { busy, isOff, names, openBoth, reads, untilEqual, untilKept, warnings } from '../support/near-nodes.js';
import type { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

describe('near cache of a cluster', function () {
  this.timeout(60_000);
  let cluster: RedisCluster;
  let servers: RedisServer[];
  let where: StoreOptions;

  before(async () => {
    cluster = await RedisCluster.start({ spare: 1 });
    servers = cluster.nodes.map(({ server }) => server);
    where = { cluster: { rootNodes: cluster.rootNodes } };
  });
  after(() => cluster.stop());
  const spare = (): ClusterNode => cluster.nodes[6] as ClusterNode;

  it('answers for keys of every node without a round trip, and sees what others write to them', async () => {
    const [near, plain] = await openBoth(where, servers);
    await cacheOf(plain).writer.setMany(names.slice(0, 30).map((name, i) => [name, i] as const));
    const values = names.map((_, i) => (i < 30 ? i : undefined));
    await until(async () => (await near.mget(...names)).every((value, i) => value === values[i]));
    const trips = await reads(servers, async () => {
      for (const [i, name] of names.entries()) {
        expect(await near.get(name)).to.equal(values[i]);
        expect(await near.has(name)).to.equal(i < 30);
      }
      expect(await near.mget(...names)).to.deep.equal(values);
    });
    expect(trips).to.equal(0);
    for (const name of names) await plain.set(name, 'new');
    await until(async () => (await near.mget(...names)).every((value) => value === 'new'));
    for (const name of names) {
      await near.set(name, 'own');
      expect(await near.get(name)).to.equal('own');
    }
    await plain.clear();
    await until(async () => (await near.mget(...names)).every((value) => value === undefined));
  });

  const offCases: Record<string, { options: () => Promise<StoreOptions>; why: RegExp }> = {
    'it speaks RESP 2': { options: async () => ({ RESP: 2 }), why: /RESP 3/ },
    'replicas are read': { options: async () => ({ readFrom: 'replica' }), why: /readFrom/ },
    'the user may not see who serves what': { options: () => user('viewless', '-cluster|nodes', () => true), why: /cluster\|nodes/ },
    'one node does not let the user track': { options: () => user('tracked', '-client|tracking', (i) => i === 1), why: /client\|tracking/ },
  };
  /** A user who may do all but one thing, on some of the nodes. */
  async function user(username: string, rule: string, where: (node: number) => boolean): Promise<StoreOptions> {
    for (const [i, { redis }] of cluster.nodes.entries()) {
      await redis.sendCommand(['ACL', 'SETUSER', username, 'on', '>pw', '~*', '&*', '+@all', ...(where(i) ? [rule] : [])]);
    }
    return { username, password: 'pw' };
  }
  for (const [title, { options, why }] of Object.entries(offCases)) {
    it(`is off, with one warning, where ${title}`, async () => isOff({ ...where, ...(await options()) }, where, why));
  }

  it('is off, with one warning, on a cluster of node-redis’s', async () => {
    const client = createCluster({ rootNodes: cluster.rootNodes });
    await isOff({ client: client as never }, where, /does not tell what changes/);
    client.destroy();
  });

  /** A primary, and a key of its own with its slot. */
  async function ownKey(of: string): Promise<{ from: ClusterNode; name: string; slot: number }> {
    const nodes = (await cluster.primaries()).filter(({ node }) => node !== spare());
    const [{ node: from, slots }] = nodes as [{ node: ClusterNode; slots: [number, number][] }];
    for (let i = 0; ; i++) {
      const name = `${of}${i}`;
      const slot = Number(await from.redis.sendCommand(['CLUSTER', 'KEYSLOT', `p:${name}`]));
      if (slots.some(([first, last]) => first <= slot && slot <= last)) return { from, name, slot };
    }
  }

  it('is on while a node refuses that serves nothing yet, off with one warning once it does, and on again after that', async () => {
    const [near, plain] = await openBoth(where, servers);
    const { from, name, slot } = await ownKey('refused');
    await spare().redis.sendCommand(['ACL', 'SETUSER', 'default', '-client|tracking']);
    const warned = warnings();
    try {
      await spare().redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id]);
      await from.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', spare().id]);
      // Asked for a key on its way, which is all that it serves.
      await until(async () => {
        expect(await near.get(name)).to.equal(undefined);
        return JSON.stringify(await spare().redis.sendCommand(['ACL', 'LOG'])).includes('client|tracking');
      });
      await sleep(100);
      for (const node of [spare(), from]) await node.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'STABLE']);
      await untilKept(near, servers);
      expect(warned.texts).to.deep.equal([]);

      await cluster.moveSlot(slot, from, spare());
      await until(async () => {
        await near.get(name);
        return warned.texts.length > 0;
      });
      for (let i = 0; i < 20; i++) {
        await plain.set(name, i);
        expect(await near.get(name)).to.equal(i);
      }
      expect(warned.texts).to.have.length(1);
      expect(warned.texts[0]).to.match(/^REDIS_TIER_NEAR the near cache is off/);

      // It lets the next connection.
      await spare().redis.sendCommand(['ACL', 'SETUSER', 'default', '+client|tracking']);
      await spare().redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
      await untilKept(near, servers);
      // The other store has lost its connection too.
      await until(() =>
        plain.del(name).then(
          () => true,
          () => false,
        ),
      );
    } finally {
      warned.stop();
      await spare().redis.sendCommand(['ACL', 'SETUSER', 'default', '+client|tracking']);
    }
  });

  it('takes no known miss of a slot that is on its way for the truth', async () => {
    const [near, plain] = await openBoth(where, servers);
    const { from, name, slot } = await ownKey('absent');
    expect(await near.get(name)).to.equal(undefined);
    await spare().redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id]);
    await from.redis.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', spare().id]);
    await plain.set(name, 'there');
    expect(await spare().redis.dbSize()).to.equal(1);
    await until(async () => (await near.get(name)) === 'there');
    await plain.set(name, 'changed');
    await until(async () => (await near.get(name)) === 'changed');
    await cluster.moveSlot(slot, from, spare());
    await untilKept(near, servers);
    await plain.set(name, 'moved');
    await until(async () => (await near.get(name)) === 'moved');
  });

  it('loses no change while slots move under load', async () => {
    const [near, plain] = await openBoth(where, servers);
    await plain.clear();
    const from = (await cluster.primaries()).filter(({ node }) => node !== spare());
    await busy(near, plain, async () => {
      const slots = new Map<number, ClusterNode>();
      for (const name of names) {
        const slot = Number(await spare().redis.sendCommand(['CLUSTER', 'KEYSLOT', `p:${name}`]));
        const owner = from.find(({ slots: owned }) => owned.some(([first, last]) => first <= slot && slot <= last));
        if (owner) slots.set(slot, owner.node);
      }
      for (const [slot, owner] of [...slots].slice(0, 40)) await cluster.moveSlot(slot, owner, spare(), 2);
    });
    await untilEqual(near, plain);
    await untilKept(near, servers);
  });

  it('loses no change when a primary dies and its replica takes over under load', async () => {
    const [near, plain] = await openBoth(where, servers);
    const victim = (await cluster.primaries()).find(({ node }) => node !== spare()) as { node: ClusterNode; slots: [number, number][] };
    await busy(near, plain, async () => {
      await sleep(300);
      // So that nobody asks a node that has just died, and waits.
      victim.node.redis.destroy();
      await victim.node.server.stop();
      await cluster.promoted((victim.slots[0] as [number, number])[0], victim.node);
      await sleep(1000);
    });
    await untilEqual(near, plain);
    await untilKept(near, servers);
  });
});
