import { setTimeout as sleep } from 'node:timers/promises';
import { createClientPool, createSentinel } from '@redis/client';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { minimalEverywhere } from '../support/acl.js';
import { sharedServer } from '../support/hooks.js';
import { busy, isOff, openBoth, reads, untilEqual, untilKept } from '../support/near-nodes.js';
import { RedisServer } from '../support/redis.js';
import { RedisSentinels } from '../support/sentinel.js';
import { until } from '../support/until.js';

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
