import { expect } from 'chai';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

describe('the servers of the chaos suite', () => {
  it('have nothing when they are restarted, not even what they once had from their primary', async () => {
    const primary = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
    const writing = await rawClient(primary);
    await writing.set('k', 'v');
    const replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(primary.port)]);
    const reading = await rawClient(replica);
    await until(async () => (await reading.dbSize()) === 1);
    await replica.restart(['--replicaof', 'no', 'one']);
    const again = await rawClient(replica);
    expect(await again.dbSize()).to.equal(0);
    for (const client of [writing, reading, again]) client.destroy();
    await Promise.all([primary.stop(), replica.stop()]);
  });
});
