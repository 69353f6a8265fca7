import { expect } from 'chai';
import { batching } from '../../src/commands/batching.js';
import { memoryCommands } from '../../src/commands/memory.js';
import { redisCommands } from '../../src/commands/redis.js';
import { createPool } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

describe('same-tick coalescing', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);

  async function commandsOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
    await redis.configResetStat();
    await work();
    const { get = 0, mget = 0, exists = 0, pttl = 0 } = await commandStats(redis);
    return { get, mget, exists, pttl };
  }

  it('makes ⌈1000/max⌉ MGETs of 1 000 gets, one GET of 1 000 gets of one key, and leaves a single get alone', async () => {
    for (const max of [512, 100]) {
      const store = openStore({ location: server.location, prefix: 'p', batch: { max } });
      await store.mset(keys.map((key, i) => [key, i] as const));
      const none = { get: 0, mget: 0, exists: 0, pttl: 0 };
      expect(await commandsOf(() => Promise.all(keys.map((key) => store.get(key))))).to.deep.equal({
        ...none,
        mget: Math.ceil(1000 / max),
      });
      expect(await commandsOf(() => Promise.all(keys.map(() => store.get('k1'))))).to.deep.equal({ ...none, get: 1 });
      expect(await commandsOf(() => store.get('k1'))).to.deep.equal({ ...none, get: 1 });
      expect(await commandsOf(() => Promise.all(keys.map(() => store.has('k1'))))).to.deep.equal({ ...none, exists: 1 });
      expect(await commandsOf(() => Promise.all(keys.map(() => store.ttl('k1'))))).to.deep.equal({ ...none, pttl: 1 });
      expect(await Promise.all(keys.map((key) => store.get(key)))).to.deep.equal(keys.map((_, i) => i));
      expect(await Promise.all(['k1', 'missing', 'k1', 'k2'].map((key) => store.get(key)))).to.deep.equal([1, undefined, 1, 2]);
      expect(await Promise.all(['k1', 'missing'].map((key) => store.has(key)))).to.deep.equal([true, false]);
      expect(await Promise.all(['k1', 'missing'].map((key) => store.ttl(key)))).to.deep.equal([-1, -2]);
    }
  });

  it('gathers what is asked in the promise jobs of a tick as well', async () => {
    const store = openStore({ location: server.location, prefix: 'p' });
    await store.mset(keys.map((key, i) => [key, i] as const));
    const later = async (key: string) => {
      await null;
      await null;
      return store.get(key);
    };
    expect((await commandsOf(() => Promise.all(keys.slice(0, 500).map(later))))['mget']).to.equal(1);
  });

  it('hands every caller a value of its own', async () => {
    const store = openStore({ location: server.location, prefix: 'p' });
    await store.mset({ object: { a: 1 }, bytes: Buffer.from('abc') });
    const [a, b] = (await Promise.all([store.get('object'), store.get('object')])) as { a: number }[];
    (a as { a: number }).a = 2;
    expect(b).to.deep.equal({ a: 1 });
    const [c, d] = (await Promise.all([store.get('bytes'), store.get('bytes')])) as Buffer[];
    c?.fill(0);
    expect(d?.toString()).to.equal('abc');
  });

  it('fails only the calls of the batch that fails', async () => {
    const engine = memoryCommands();
    const commands = batching(
      { ...engine, getMany: async (asked) => (asked.includes('bad') ? Promise.reject(new Error('this batch')) : engine.getMany(asked)) },
      { max: 2 },
    );
    await commands.set('a', '1', undefined);
    const outcomes = await Promise.allSettled(['a', 'b', 'bad', 'c', 'd', 'e'].map((key) => commands.get(key)));
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect((await rejection<Error>(Promise.all([commands.get('bad'), commands.get('x')]))).message).to.equal('this batch');
    expect(await commands.get('a')).to.include({ found: true, bytes: '1' });
  });

  it('deletes in one UNLINK what one tick deletes, in order with all else that is asked of those keys', async () => {
    const store = openStore({ location: server.location, prefix: 'del' });
    await store.mset(keys.map((key, i) => [key, i] as const));
    await redis.configResetStat();
    await Promise.all(keys.map((key) => store.del(key)));
    expect((await commandStats(redis))['unlink']).to.equal(2);
    expect(await store.keys()).to.deep.equal([]);
    for (const batch of [undefined, false] as const) {
      const ordered = openStore({ location: server.location, prefix: 'del', batch });
      const seen = async (...calls: (() => Promise<unknown>)[]) => {
        await ordered.mset({ k: 1, l: 2 });
        return Promise.all(calls.map((call) => call()));
      };
      const del = () => ordered.del('k');
      expect(await seen(del, () => ordered.get('k'))).to.deep.equal([undefined, undefined]);
      expect(await seen(() => ordered.get('k'), del)).to.deep.equal([1, undefined]);
      expect(
        await seen(
          () => ordered.has('k'),
          () => ordered.ttl('k'),
          del,
        ),
      ).to.deep.equal([true, -1, undefined]);
      expect((await seen(del, () => ordered.mget('l', 'k')))[1]).to.deep.equal([2, undefined]);
      expect((await seen(del, () => cacheOf(ordered).reader.hasMany(['k', 'l'])))[1]).to.deep.equal([false, true]);
      expect((await seen(del, () => ordered.keys()))[1]).to.deep.equal(['l']);
      expect(
        (
          await seen(
            del,
            () => ordered.set('k', 3),
            () => ordered.get('k'),
          )
        )[2],
      ).to.equal(3);
      expect(
        (
          await seen(
            del,
            () => ordered.set('k', 3),
            del,
            () => ordered.get('k'),
          )
        )[3],
      ).to.equal(undefined);
      expect((await seen(del, () => ordered.add('k', 4)))[1]).to.equal(true);
      expect((await seen(del, () => cacheOf(ordered).writer.unlinkCounted(['k'])))[1]).to.equal(0);
    }
  });

  it('deletes the lease of a key only with the deletion that names it', async () => {
    const pool = createPool({ location: server.location });
    closing({ disconnect: () => pool.close(100) });
    const commands = batching(redisCommands(pool));
    const leaseOf = (key: string): string => `p#l:{${key}}`;
    for (const keys of [['p:k'], ['p:k', 'p:other']]) {
      await redis.set(leaseOf('p:k'), 'a');
      await Promise.all(keys.map((key) => commands.unlink([key], { leases: [leaseOf(key)], counted: false })));
      expect(await redis.exists(leaseOf('p:k'))).to.equal(0);
      await redis.set(leaseOf('p:k'), 'b');
      await Promise.all(keys.map((key) => commands.unlink([key], { counted: false })));
      expect(await redis.exists(leaseOf('p:k'))).to.equal(1);
    }
    await redis.del(leaseOf('p:k'));
  });

  it('is off where it was told to be, and says what it expects', async () => {
    const store = openStore({ location: server.location, prefix: 'p', batch: false });
    await store.set('k1', 1);
    expect((await commandsOf(() => Promise.all(keys.map(() => store.get('k1')))))['get']).to.equal(1000);
    expect(() => openStore({ batch: { max: 1 } })).to.throw('expected `batch.max` to be an integer ≥ 2, got `1`');
    expect(() => openStore({ batch: true as never })).to.throw('expected `batch` to be false or an object');
  });
});
