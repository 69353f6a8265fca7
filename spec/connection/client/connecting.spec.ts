import { createCluster } from '@redis/client';
import { expect } from 'chai';
import { RedisCluster } from '../../support/cluster.js';
import { openStore } from '../../support/open.js';

describe('a cluster of node-redis that the application is connecting', () => {
  it('fails calls at once, and says that it is not ready', async () => {
    const cluster = await RedisCluster.start();
    const client = createCluster({ rootNodes: cluster.rootNodes });
    client.on('error', () => {});
    const connecting = client.connect();
    const store = openStore({ client: client as never });
    expect(await store.set('k', 1)).to.equal(false);
    expect(store.errors[0]?.message).to.equal('not connected to Redis: the client is open and not ready');
    await connecting;
    expect(await store.set('k', 1)).to.equal(true);
    client.destroy();
    await cluster.stop();
  });
});
