import { expect } from 'chai';
import { Retries, steadyTime } from '../../src/connection/pacing.js';
import { openStore, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

describe('retries', () => {
  it('begin at 0 only for what was steady', () => {
    let now = 0;
    const retries = new Retries(() => now);
    expect([retries.next(), retries.next(), retries.next(), retries.next()]).to.deep.equal([0, 1, 2, 3]);
    retries.up();
    now += steadyTime;
    expect(retries.lost()).to.equal(false);
    expect([retries.next(), retries.next()]).to.deep.equal([2, 3]);
    retries.up();
    now += steadyTime + 1;
    expect(retries.lost()).to.equal(true);
    expect(retries.next()).to.equal(0);
  });

  it('of a connection that is lost again and again are about ten a second', async () => {
    const server = stopping(await RedisServer.start());
    const store = openStore({ location: server.location });
    await store.ready();
    const admin = await rawClient(server);
    const killing = setInterval(() => void admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']).catch(() => {}), 10);
    try {
      const began = performance.now();
      const before = await connectionsOf(admin);
      await until(() => performance.now() - began > 2000);
      expect((await connectionsOf(admin)) - before).to.be.within(3, 50);
    } finally {
      clearInterval(killing);
      admin.destroy();
    }
  });
});

async function connectionsOf(admin: Awaited<ReturnType<typeof rawClient>>): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(String(await admin.sendCommand(['INFO', 'stats'])))?.[1]);
}
