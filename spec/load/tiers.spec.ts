import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { LoadTier, ReadEvent } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('getOrSetDetailed', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  it('says that a value was made, and that the next one came from Redis', async () => {
    const store = openStore();
    expect(await store.getOrSetDetailed('k', async () => ({ n: 1 }))).to.deep.equal({ value: { n: 1 }, tier: 'made' });
    expect(await store.getOrSetDetailed('k', () => ({ n: 2 }))).to.deep.equal({ value: { n: 1 }, tier: 'redis' });
    expect(await store.getOrSetDetailed('k', () => ({ n: 2 }), { refreshAhead: 10 })).to.deep.equal({ value: { n: 1 }, tier: 'redis' });
  });

  it('says that it waited for another caller, or for another process', async () => {
    const [one, other] = [openStore({ prefix: `tier-${Math.random()}` }), openStore()];
    const far = openStore({ prefix: one.source.prefix });
    const make = () => sleep(100, 'made once');
    const tiers = (await Promise.all([one, one, far].map((store) => store.getOrSetDetailed('k', make)))).map(({ value, tier }) => [
      value,
      tier,
    ]);
    expect(tiers.map(([value]) => value)).to.deep.equal(['made once', 'made once', 'made once']);
    expect(tiers.map(([, tier]) => tier).sort()).to.deep.equal(['made', 'waited', 'waited']);
    // A process that waits for one that finds nothing has waited, too.
    const nothing = () => sleep(100, undefined);
    const found = await Promise.all([other, other].map((store) => store.getOrSetDetailed('none', nothing)));
    expect(found.map(({ value, tier }) => [value, tier])).to.deep.equal([
      [undefined, 'made'],
      [undefined, 'waited'],
    ]);
  });

  it('says that the near tier answered', async () => {
    const store = openStore({ near: {} });
    await store.set('k', 1);
    let tier: LoadTier = 'redis';
    await until(async () => {
      ({ tier } = await store.getOrSetDetailed('k', () => 2));
      return tier === 'near';
    });
  });

  it('says that a value is stale, and that the one after it was made, by a refresh that the call waited for', async () => {
    const store = openStore();
    const options = { ttl: 1000, staleFor: 60_000 };
    await store.getOrSet('k', () => 'old', options);
    await redis.pExpire(`${store.source.prefix}:k`, 50_000);
    expect(await store.getOrSetDetailed('k', () => sleep(50, 'new'), options)).to.deep.equal({ value: 'old', tier: 'stale' });
    await until(async () => (await store.get('k')) === 'new');
    await redis.pExpire(`${store.source.prefix}:k`, 50_000);
    const waits = { ...options, softTimeout: 1000 };
    expect(await store.getOrSetDetailed('k', () => sleep(10, 'newer'), waits)).to.deep.equal({ value: 'newer', tier: 'made' });
  });

  it('says that `offline` answered while Redis is away', async () => {
    const server = await RedisServer.start();
    const store = openStore({ location: server.location, offline: { ttl: 60_000 }, timeout: 300 });
    await store.set('k', 1);
    await store.get('k');
    await server.stop();
    await until(async () => (await store.getOrSetDetailed('k', () => 2)).tier === 'offline');
  });

  it('is told by the events `hit` and `miss`, too', async () => {
    const store = openStore({ near: {} });
    const told: [string, ReadEvent['tier']][] = [];
    store.on('hit', ({ tier }) => told.push(['hit', tier]));
    store.on('miss', ({ tier }) => told.push(['miss', tier]));
    await store.get('k');
    await store.set('k', 1);
    await until(async () => {
      await store.get('k');
      return told.at(-1)?.[1] === 'near';
    });
    expect(told[0]).to.deep.equal(['miss', 'redis']);
    expect(told.at(-1)).to.deep.equal(['hit', 'near']);
  });
});

describe('getOrSet with `fresh`', () => {
  it('takes no value of before, and stores what it makes', async () => {
    const store = openStore();
    await store.set('k', 'old');
    expect(await store.getOrSetDetailed('k', () => 'new', { fresh: true })).to.deep.equal({ value: 'new', tier: 'made' });
    expect(await store.get('k')).to.equal('new');
    expect(await store.getOrSet('k', () => 'newer', { ttl: 1000, staleFor: 1000, fresh: true })).to.equal('newer');
    expect(await store.getOrSet('k', () => 'unused')).to.equal('newer');
  });

  it('also where the near tier holds the old value, and without a lease', async () => {
    for (const lease of [undefined, false] as const) {
      const store = openStore({ near: {} });
      await store.set('k', 'old');
      await until(async () => (await store.getOrSetDetailed('k', () => 'unused')).tier === 'near');
      expect(await store.getOrSet('k', () => 'new', { fresh: true, lease })).to.equal('new');
      expect(await store.get('k')).to.equal('new');
    }
  });

  it('calls the function once for all that ask at the same time, in all processes', async () => {
    const one = openStore();
    const other = openStore({ prefix: one.source.prefix });
    await one.set('k', 'old');
    let calls = 0;
    const make = () => sleep(100, `new ${++calls}`);
    const all = await Promise.all([one, one, other].map((store) => store.getOrSet('k', make, { fresh: true })));
    expect([calls, all]).to.deep.equal([1, ['new 1', 'new 1', 'new 1']]);
  });

  it('does not join a call that began without it: that may have read what was true before', async () => {
    const store = openStore();
    const slow = store.getOrSet('k', () => sleep(100, 'before'));
    await sleep(30);
    const fresh = store.getOrSet('k', () => 'after', { fresh: true, lease: false });
    expect(await Promise.all([slow, fresh])).to.deep.equal(['before', 'after']);
  });

  for (const lease of [10_000, false] as const)
    it(`is not given what a load brings that began before, and keeps it from being stored, with lease: ${lease}`, async () => {
      const one = openStore();
      const other = openStore({ prefix: one.source.prefix });
      for (const [i, store] of [one, other].entries()) {
        const key = `k${i}`;
        let end!: (value: string) => void;
        const before = one.getOrSet(key, () => new Promise<string>((resolve) => (end = resolve)), { lease });
        await until(() => end !== undefined);
        expect(await store.getOrSet(key, () => 'new', { fresh: true, lease })).to.equal('new');
        end('old');
        expect(await before).to.equal('old');
        if (lease !== false || store === one) expect(await other.get(key)).to.equal('new');
      }
    });

  it('leaves the old value when the function fails', async () => {
    const store = openStore();
    await store.set('k', 'old');
    const failure = new Error('no');
    const rejected = await store.getOrSet('k', () => Promise.reject(failure), { fresh: true }).catch((error: unknown) => error);
    expect(rejected).to.equal(failure);
    expect(await store.get('k')).to.equal('old');
  });

  it('is refused if it is no boolean', async () => {
    const error = await openStore()
      .getOrSet('k', 1, { fresh: 1 as never })
      .catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ERR_ARGUMENT' });
  });
});

describe('setStaleFor', () => {
  it('says how long the result may be served past its time to live', async () => {
    const store = openStore();
    await store.getOrSet(
      'k',
      ({ setStaleFor }) => {
        setStaleFor(30_000);
        return 1;
      },
      { ttl: 10_000, staleFor: 1000 },
    );
    const redis = await rawClient(sharedServer());
    expect(await redis.pTTL(`${store.source.prefix}:k`)).to.be.within(35_000, 40_000);
    redis.destroy();
    // The entry is fresh without its stale window.
    expect(await store.ttl('k')).to.be.above(0);
  });

  it('refuses what is no time', async () => {
    const error = await openStore()
      .getOrSet('k', ({ setStaleFor }) => setStaleFor(-1))
      .catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ERR_ARGUMENT' });
  });
});
