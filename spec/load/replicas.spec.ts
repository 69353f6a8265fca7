import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { timed } from '../support/load.js';
import { openStore } from '../support/open.js';
import { RedisSentinels } from '../support/sentinel.js';

const timeout = 500;

describe('getOrSet where replicas are read', () => {
  let nodes: RedisSentinels;
  before(async () => {
    nodes = await RedisSentinels.start();
  });
  after(() => nodes.stop());

  it('waits for another process no longer than its deadline while the primary is frozen', async () => {
    const sentinel = { name: nodes.name, sentinelRootNodes: nodes.rootNodes };
    const open = () => openStore({ sentinel, readFrom: 'replica', prefix: 'replicas', timeout });
    const [other, store] = [open(), open()];
    await Promise.all([other.ready(), store.ready()]);
    // Until the replicas are connected to as well.
    await sleep(1000);
    const old = await nodes.primary();
    const made = other.getOrSet('k', () => sleep(3000, 'made'));
    await sleep(50);
    const call = timed(() => store.getOrSet('k', () => 'own'));
    await sleep(150);
    old.server.freeze();
    const { value, took } = await call;
    old.server.thaw();
    expect(value).to.equal('own');
    // Without the function's call it waits for `timeout`; a server that does not answer is seen by then.
    expect(took).to.be.below(timeout + 250);
    expect(await made).to.equal('made');
  });
});
