import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { openStore, rejection } from '../support/open.js';
import { commandStats, type RawClient } from '../support/wire.js';

describe('in a cluster', () => {
  let cluster: RedisCluster;
  const open = (more: StoreOptions = {}) => openStore({ cluster: { rootNodes: cluster.rootNodes }, onFailure: 'throw', ...more });
  const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);

  before(async () => {
    cluster = await RedisCluster.start();
  });
  after(() => cluster.stop());

  it('tags reach the entries of all slots', async () => {
    const store = open({ tags: true });
    await store.mset(
      keys.map((key, i) => [key, i] as const),
      { tags: ['all', 'more'] },
    );
    await store.set('other', 1, { tags: ['else'] });
    expect(await store.mget(...keys)).to.deep.equal(keys.map((_, i) => i));
    expect(await cacheOf(store).reader.hasMany(keys)).to.deep.equal(keys.map(() => true));
    await store.invalidateTags(['more', 'nothing', 'all']);
    expect(await store.mget(...keys)).to.deep.equal(keys.map(() => undefined));
    expect(await cacheOf(store).reader.hasMany(keys)).to.deep.equal(keys.map(() => false));
    expect(await store.keys()).to.deep.equal(['other']);
  });

  it('100 000 entries on all nodes are invalidated by one command', async () => {
    const store = open({ prefix: 'many', timeout: 10_000 });
    await store.set('k0', 'value', { tags: ['all', 'page:1'] });
    const nodes = (await cluster.primaries()).map(({ node }) => node.redis);
    const found = await Promise.all(
      nodes.map((redis) =>
        redis
          .withTypeMapping({ 36: Buffer })
          .get('many:k0')
          .catch(() => null),
      ),
    );
    const bytes = found.find((each) => each !== null) as unknown as Buffer;
    // As many more as that one, made inside of each node: it takes those of its own slots and no others. In pieces, for a node that is
    // in a script answers nobody, and is taken for dead after a second.
    const copy =
      "local n = 0 for i = ARGV[2], ARGV[3] do if not redis.pcall('SET', 'many:k' .. i, ARGV[1]).err then n = n + 1 end end return n";
    const made = await Promise.all(
      nodes.map(async (redis) => {
        let count = 0;
        for (let from = 1; from < 100_000; from += 5000) {
          const to = Math.min(from + 4999, 99_999);
          count += Number(await redis.sendCommand(['EVAL', copy, '0', bytes, String(from), String(to)]));
        }
        return count;
      }),
    );
    expect(made.reduce((sum, each) => sum + each, 0)).to.equal(99_999);
    for (const each of made) expect(each).to.be.above(20_000);
    const some = Array.from({ length: 2000 }, (_, i) => `k${i * 50}`);
    expect(await store.mget(...some)).to.deep.equal(some.map(() => 'value'));
    for (const redis of nodes) await redis.configResetStat();
    await store.invalidateTags(['all']);
    const sent = await Promise.all(nodes.map(async (redis) => commandStats(redis as unknown as RawClient)));
    // Beside what replicas and the specs themselves send.
    const own = sent.map(({ 'config|resetstat': _, info: __, replconf: ___, ping: ____, ...others }) => others);
    expect(own.filter((stats) => Object.keys(stats).length > 0)).to.deep.equal([{ unlink: 1 }]);
    expect(await store.mget(...some)).to.deep.equal(some.map(() => undefined));
    await store.set('k1', 'again', { tags: ['all'] });
    expect(await store.get('k1')).to.equal('again');
    for (const redis of nodes) await redis.flushDb();
  });

  it('a lazy clear reaches the entries of all slots, and the sweep deletes them', async () => {
    const store = open({ lazyClear: true, prefix: 'lazy' });
    await store.mset(keys.map((key, i) => [key, i] as const));
    await store.clear({ lazy: true });
    expect(await store.mget(...keys)).to.deep.equal(keys.map(() => undefined));
    await store.set('key-1', 'new');
    await store.sweep();
    const left = await Promise.all((await cluster.primaries()).map(({ node }) => node.redis.sendCommand(['KEYS', 'lazy:*'])));
    expect(left.flat()).to.deep.equal(['lazy:key-1']);
    expect(await store.get('key-1')).to.equal('new');
  });

  // Braces say what a slot depends on; with the last three no second key can be in the slot of the first.
  const names = [...keys.slice(0, 10), '{tag}1', '1{tag}2', 'a{b', 'a}b', '{}a', '}{'];

  it('getOrSet and deletions take their leases along, whatever slot the key is in', async () => {
    const store = open();
    const other = open({ prefix: store.source.prefix });
    let calls = 0;
    const load = (on: typeof store, key: string) => on.getOrSet(key, () => ++calls && key);
    expect(await Promise.all(names.flatMap((key) => [load(store, key), load(store, key)]))).to.deep.equal(
      names.flatMap((key) => [key, key]),
    );
    expect(calls).to.equal(names.length);
    expect(await Promise.all(names.map((key) => load(other, key)))).to.deep.equal(names);
    expect(calls).to.equal(names.length);
    // Of one tick, of one call, and one by one.
    await Promise.all(names.slice(0, 6).map((key) => store.del(key)));
    await store.mdel(...names.slice(6, 12));
    expect(await cacheOf(store).writer.unlinkEach(names.slice(12))).to.deep.equal([true, true, true, true]);
    expect(await store.mget(...names)).to.deep.equal(names.map(() => undefined));
    expect(store.errors).to.deep.equal([]);
  });

  it('a deletion wins over a load that is under way in another process', async () => {
    const store = open();
    const other = open({ prefix: store.source.prefix });
    for (const key of names.slice(0, 13)) {
      const given = await store.getOrSet(key, async () => {
        await other.del(key);
        return 'old';
      });
      expect([key, given, await store.get(key)]).to.deep.equal([key, 'old', undefined]);
    }
    expect([...store.errors, ...other.errors]).to.deep.equal([]);
  });

  it('locks are held by one, whatever they are called', async () => {
    const store = open();
    const locks = await Promise.all(names.map((name) => store.lock(name)));
    for (const name of names) expect(await rejection(store.lock(name))).to.include({ code: 'ERR_LOCK_HELD' });
    await Promise.all(locks.map((lock) => lock.release()));
    for (const name of names) expect(await store.withLock(name, (lock) => lock.held)).to.equal(true);
  });
});
