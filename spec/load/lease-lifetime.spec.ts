import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { OrderedCommands } from '../../src/commands/commands.js';
import type { RedisStore } from '../../src/index.js';
import { Lease } from '../../src/load/lease.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('a lease', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  /** Something that happens in Redis between the claim of a lease and the look under it. */
  function afterClaim(store: RedisStore, work: () => Promise<unknown>): void {
    const { commands } = cacheOf(store).context;
    const { claim } = commands;
    const late: OrderedCommands['claim'] = async (...args) => {
      const holder = await claim(...args);
      await work();
      return holder;
    };
    Object.assign(commands, { claim: late });
  }

  it('lapses after ten times its time, although its holder still runs', async () => {
    const key = `lease-${randomUUID()}#l:{k}`;
    const lease = await Lease.claim(cacheOf(openStore()).context, key, `entry-${randomUUID()}:k`, {
      time: 100,
      urgent: true,
      fresh: false,
    });
    expect(lease).to.be.instanceOf(Lease);
    await until(async () => (await redis.exists(key)) === 0, 5000);
  });

  it('ends if the entry cannot be read again under it, so that no other process waits for it', async () => {
    const prefix = `lease-${randomUUID()}`;
    const [one, other] = [openStore({ prefix }), openStore({ prefix })];
    // An entry that is no value is read again. A list is no entry: GET fails.
    await redis.set(`${prefix}:k`, '{');
    afterClaim(one, async () => {
      await redis.del(`${prefix}:k`);
      await redis.rPush(`${prefix}:k`, 'list');
    });
    expect(await one.getOrSet('k', () => 'unstored')).to.equal('unstored');
    expect(one.errors.map(({ code }) => code)).to.deep.equal(['ERR_CODEC', 'ERR_COMMAND']);
    await until(async () => (await redis.exists(`${prefix}#l:{${prefix}:k}`)) === 0, 3000);
    await redis.del(`${prefix}:k`);
    expect(await other.getOrSet('k', () => 'made')).to.equal('made');
    expect(other.stats().leaseWaits).to.equal(0);
  });

  it('of a refresh ends too if the entry cannot be read again under it', async () => {
    const prefix = `lease-${randomUUID()}`;
    const store = openStore({ prefix });
    const options = { ttl: 60_000, staleFor: 60_000 };
    await store.getOrSet('k', () => 'old', options);
    await redis.pExpire(`${prefix}:k`, 50_000);
    afterClaim(store, async () => {
      await redis.del(`${prefix}:k`);
      await redis.rPush(`${prefix}:k`, 'list');
    });
    expect(await store.getOrSet('k', () => 'unstored', options)).to.equal('old');
    await until(() => store.errors.length > 0);
    expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_COMMAND']);
    await until(async () => (await redis.exists(`${prefix}#l:{${prefix}:k}`)) === 0, 3000);
  });
});
