import { setTimeout as sleep } from 'node:timers/promises';
import { createClientPool, createCluster, createSentinel } from '@redis/client';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { minimalEverywhere } from '../support/acl.js';
import { type ClusterNode, RedisCluster } from '../support/cluster.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { random } from '../support/random.js';
import { RedisServer } from '../support/redis.js';
import { RedisSentinels } from '../support/sentinel.js';
import { until } from '../support/until.js';
import { commandStats, rawClient } from '../support/wire.js';

const seed = Number(process.env['NEAR_SEED'] ?? Date.now() % 1_000_000);
const names = Array.from({ length: 60 }, (_, i) => `k${i}`);

/** A store with a near tier that is up, and another one without. */
async function openBoth(where: StoreOptions, servers: readonly RedisServer[]): Promise<[near: RedisStore, plain: RedisStore]> {
  const common = { ...where, prefix: 'p', timeout: 1000 };
  const near = openStore({ ...common, near: {} });
  await untilKept(near, servers);
  return [near, openStore(common)];
}

/** How many reads the work sends to the servers. */
async function reads(servers: readonly RedisServer[], work: () => Promise<unknown>): Promise<number> {
  const clients = await Promise.all(servers.filter(({ ended }) => !ended).map((server) => rawClient(server)));
  const count = async (): Promise<number> => {
    const stats = await Promise.all(clients.map(commandStats));
    return stats.reduce((sum, { get = 0, mget = 0, pttl = 0, exists = 0 }) => sum + get + mget + pttl + exists, 0);
  };
  const before = await count();
  await work();
  const after = await count();
  for (const client of clients) client.destroy();
  return after - before;
}

/** The warnings of the process from now on. */
function warnings(): { readonly texts: string[]; stop(): void } {
  const texts: string[] = [];
  const onWarning = (warning: Error): number => texts.push(`${(warning as NodeJS.ErrnoException).code} ${warning.message}`);
  process.on('warning', onWarning);
  return { texts, stop: () => process.off('warning', onWarning) };
}

const untilKept = (store: RedisStore, servers: readonly RedisServer[]): Promise<void> =>
  until(async () => {
    await store.mget(...names);
    return (await reads(servers, () => store.mget(...names))) === 0;
  });

/** Writes, deletes and creates at random through `plain`, while `near` reads all the time. */
async function busy(near: RedisStore, plain: RedisStore, work: () => Promise<unknown>): Promise<void> {
  const next = random(seed);
  let over = false;
  const loop = async (step: () => Promise<unknown>): Promise<void> => {
    while (!over) {
      await step().catch(() => {});
      await sleep(1);
    }
  };
  const pick = (): string => names[Math.floor(next() * names.length)] as string;
  let written = 0;
  const write = (): Promise<unknown> => (next() < 0.5 ? plain.set(pick(), written++) : plain.del(pick()));
  const loops = [loop(write), loop(write), loop(() => near.get(pick())), loop(() => near.mget(...names)), loop(() => near.has(pick()))];
  await work();
  over = true;
  await Promise.all(loops);
}

async function untilEqual(near: RedisStore, plain: RedisStore): Promise<void> {
  // What was pushed has come, and what was said of the nodes has gone round.
  await sleep(2500);
  const truth = await plain.mget(...names);
  expect(truth.some((value) => value !== undefined) && truth.includes(undefined)).to.equal(true);
  for (let i = 0; i < 3; i++) expect(await near.mget(...names), `seed ${seed}`).to.deep.equal(truth);
}

/** Reads what others have just written, as often as it likes, and has been told of in one warning that it is so. */
async function isOff(options: StoreOptions, others: StoreOptions, why: RegExp): Promise<void> {
  const warned = warnings();
  try {
    const [near, plain] = [openStore({ ...options, near: {}, prefix: 'off' }), openStore({ ...others, prefix: 'off' })];
    // What replicas answer lags behind.
    const shows = async (read: () => Promise<unknown>, value: unknown): Promise<void> => {
      if (options.readFrom === 'replica') await until(async () => (await read()) === value);
      else expect(await read()).to.equal(value);
    };
    for (let i = 0; i < 10; i++) {
      for (const name of ['a', 'b', 'c']) {
        await plain.set(name, i);
        await shows(() => near.get(name), i);
        await shows(async () => (await near.mget(name))[0], i);
        await plain.del(name);
        await shows(() => near.has(name), false);
      }
    }
    await sleep(10);
    expect(warned.texts).to.have.length(1);
    expect(warned.texts[0])
      .to.match(/^REDIS_TIER_NEAR the near cache is off, every read goes to Redis: /)
      .and.match(why);
    expect(near.errors).to.deep.equal([]);
    await near.disconnect();
  } finally {
    warned.stop();
  }
}

describe('near cache on one server', () => {
  it('is off, with one warning, where what stands before the server knows no CLIENT', async () => {
    const server = await RedisServer.start(['--rename-command', 'CLIENT', '']);
    await isOff({ location: server.location }, { location: server.location }, /unknown command/i);
    await server.stop();
  });

  it('is off, with one warning, on a client pool of node-redis’s', async () => {
    const { location, url } = sharedServer();
    const client = createClientPool({ url });
    await isOff({ client }, { location }, /does not tell what changes/);
    client.destroy();
  });
});

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
    await plain.putMany(names.slice(0, 30).map((name, i) => [name, i] as const));
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
      await plain.del(name);
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

describe('near cache behind sentinels', function () {
  this.timeout(60_000);
  let nodes: RedisSentinels;
  let where: StoreOptions;
  const servers = (): RedisServer[] => nodes.servers.map(({ server }) => server);

  before(async () => {
    // A sentinel of node-redis's asks the sentinels more than ours does.
    nodes = await RedisSentinels.start({ minimal: minimalEverywhere && 'servers' });
    where = { sentinel: { name: nodes.name, sentinelRootNodes: nodes.rootNodes } };
  });
  after(() => nodes.stop());

  const offCases: Record<string, { options: () => Promise<StoreOptions>; why: RegExp }> = {
    'it speaks RESP 2': { options: async () => ({ RESP: 2 }), why: /RESP 3/ },
    'replicas are read': { options: async () => ({ readFrom: 'replica' }), why: /readFrom/ },
    'the user may not track': {
      async options() {
        for (const { port } of nodes.servers) {
          await nodes.ask(['ACL', 'SETUSER', 'tracked', 'on', '>pw', '~*', '&*', '+@all', '-client|tracking'], port);
        }
        return { username: 'tracked', password: 'pw' };
      },
      why: /client\|tracking/,
    },
  };
  for (const [title, { options, why }] of Object.entries(offCases)) {
    it(`is off, with one warning, where ${title}`, async () => isOff({ ...where, ...(await options()) }, where, why));
  }

  it('is off, with one warning, on a sentinel of node-redis’s', async () => {
    const client = createSentinel({ name: nodes.name, sentinelRootNodes: nodes.rootNodes });
    await isOff({ client: client as never }, where, /does not tell what changes/);
    await client.destroy();
  });

  it('answers without a round trip, sees what others write, and loses no change when they are told to fail over', async () => {
    const [near, plain] = await openBoth(where, servers());
    await near.set('k1', 1);
    expect(await near.get('k1')).to.equal(1);
    expect(await reads(servers(), () => near.mget('k1', 'k2'))).to.equal(0);
    await plain.set('k1', 2);
    await until(async () => (await near.get('k1')) === 2);
    const old = await nodes.primary();
    await busy(near, plain, async () => {
      await nodes.ask(['SENTINEL', 'FAILOVER', nodes.name]);
      await nodes.promoted(old);
      await sleep(1000);
    });
    await untilEqual(near, plain);
    await untilKept(near, servers());
  });

  it('loses no change when the primary dies under load', async () => {
    const [near, plain] = await openBoth(where, servers());
    const old = await nodes.primary();
    await busy(near, plain, async () => {
      await sleep(300);
      await old.server.stop();
      await nodes.promoted(old);
      await sleep(1500);
    });
    await untilEqual(near, plain);
    await untilKept(near, servers());
  });
});
