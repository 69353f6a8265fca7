import type { LookupFunction } from 'node:net';
import { expect } from 'chai';
import type { StoreOptions } from '../../../src/index.js';
import { RedisCluster } from '../../support/cluster.js';
import { sharedServer } from '../../support/hooks.js';
import { openStore } from '../../support/open.js';
import { RedisSentinels } from '../../support/sentinel.js';

const host = 'cache.invalid';
/** A resolver of the user's own: the only one that knows the host. */
const lookup: LookupFunction = (name, options, done) => {
  if (name !== host) return done(new Error(`asked for ${name}`), '');
  if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};
const socket = { lookup };
const nodeAddressMap = (address: string): { host: string; port: number } => ({ host, port: Number(address.split(':').at(-1)) });

async function works(options: StoreOptions): Promise<void> {
  const store = openStore(options);
  await store.ready();
  await store.set('k', 1);
  expect(await store.get('k')).to.equal(1);
  expect(store.errors).to.deep.equal([]);
}

describe('socket.lookup', () => {
  const kinds: Record<string, StoreOptions> = {
    'node-redis': {},
    'RESP 2': { RESP: 2 },
    'a near tier': { near: {} },
    'a near tier over RESP 2': { near: {}, RESP: 2 },
    'the direct connection': { parser: 'auto' },
    'functions of the user': { scripts: {} },
  };
  for (const [kind, options] of Object.entries(kinds)) {
    it(`is the only resolver that is asked, over ${kind}`, async () => {
      const port = sharedServer().location.split(':').at(-1);
      await works({ ...options, socket, location: `${host}:${port}` });
      await works({ ...options, socket, location: `redis://${host}:${port}` });
    });
  }

  it('is asked for every node of a cluster', async () => {
    const cluster = await RedisCluster.start();
    try {
      const rootNodes = cluster.nodes.slice(0, 1).map(({ port }) => ({ socket: { host, port } }));
      await works({ cluster: { rootNodes, nodeAddressMap }, socket });
      await works({ cluster: { rootNodes, nodeAddressMap, defaults: { socket } }, near: {} } as StoreOptions);
    } finally {
      await cluster.stop();
    }
  });

  it('is asked for sentinels and their nodes', async () => {
    const nodes = await RedisSentinels.start();
    try {
      const sentinelRootNodes = nodes.rootNodes.map(({ port }) => ({ host, port }));
      await works({
        sentinel: { name: nodes.name, sentinelRootNodes, nodeAddressMap, sentinelClientOptions: { socket } },
        socket,
      } as StoreOptions);
    } finally {
      await nodes.stop();
    }
  });
});
