import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { majors } from '../contract/keyv.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { secretKey } from '../support/settings.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

describe('tags', () => {
  let server: RedisServer;
  let redis: RawClient;
  let prefix: string;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });
  beforeEach(() => {
    prefix = randomUUID();
  });
  const open = (more: StoreOptions = {}) => openStore({ location: server.location, prefix, ...more });
  const bytesOf = async (key: string): Promise<Buffer> => (await redis.withTypeMapping({ 36: Buffer }).get(key)) as unknown as Buffer;

  it('make an entry a miss for every store once one of its tags is invalidated, and no other entry', async () => {
    const [one, two] = [open(), open({ batch: false })];
    await one.set('a', { n: 1 }, { tags: ['news', 'user:1'] });
    await one.set('b', Buffer.from('bytes'), { tags: ['news'], ttl: 60_000 });
    await one.mset({ c: 3, d: 'text' }, { tags: ['user:1'] });
    await one.set('plain', 0);
    const all = ['a', 'b', 'c', 'd', 'plain', 'none'];
    expect(await two.mget(...all)).to.deep.equal([{ n: 1 }, Buffer.from('bytes'), 3, 'text', 0, undefined]);
    expect(await one.ttl('b')).to.be.within(1, 60_000);

    await two.invalidateTags(['news']);
    for (const store of [one, two]) {
      expect(await store.mget(...all)).to.deep.equal([undefined, undefined, 3, 'text', 0, undefined]);
      expect(await Promise.all(all.map((key) => store.get(key)))).to.deep.equal([undefined, undefined, 3, 'text', 0, undefined]);
    }
    await one.set('a', { n: 2 }, { tags: ['news'] });
    expect(await two.get('a')).to.deep.equal({ n: 2 });
    await one.invalidateTags(['unheard of', 'user:1', 'user:1']);
    expect(await two.mget('a', 'c', 'd')).to.deep.equal([{ n: 2 }, undefined, undefined]);
    expect(await two.getAndDelete('a')).to.deep.equal({ n: 2 });
    expect(await two.getAndDelete('c')).to.equal(undefined);
    expect([...one.errors, ...two.errors]).to.deep.equal([]);
  });

  it('stand in front of the value, with a key of their own that no listing shows and clear deletes', async () => {
    const store = open();
    await store.set('k', { a: 1 }, { tags: ['née', 'x'] });
    const ids = [await redis.get(`${prefix}#t:née`), await redis.get(`${prefix}#t:x`)];
    for (const id of ids) expect(id).to.match(/^[\w-]{16}$/);
    expect(ids[0]).not.to.equal(ids[1]);
    const list = JSON.stringify(['née', ids[0], 'x', ids[1]]);
    expect((await bytesOf(`${prefix}:k`)).equals(Buffer.from(`\xc1tags\0${list}\0{"a":1}`, 'latin1'))).to.equal(false);
    expect(await bytesOf(`${prefix}:k`)).to.deep.equal(Buffer.concat([Buffer.from([0xc1]), Buffer.from(`tags\0${list}\0{"a":1}`)]));
    await store.set('u', { a: 1 });
    expect(await redis.get(`${prefix}:u`)).to.equal('{"a":1}');

    expect(await store.keys()).to.have.members(['k', 'u']);
    await store.clear();
    expect(await redis.keys(`${prefix}*`)).to.deep.equal([]);
  });

  it('survive the loss of their keys: what is lost makes misses, and brings nothing back', async () => {
    const store = open();
    await store.set('k', 'old', { tags: ['t'] });
    const id = await redis.get(`${prefix}#t:t`);
    await redis.del(`${prefix}#t:t`);
    expect(await store.get('k')).to.equal(undefined);
    await store.set('other', 'new', { tags: ['t'] });
    expect(await redis.get(`${prefix}#t:t`)).not.to.equal(id);
    expect(await store.mget('k', 'other')).to.deep.equal([undefined, 'new']);
  });

  it('cost one command more where they are read, and one for all entries that are read together', async () => {
    const store = open();
    await store.mset({ a: 1, b: 2 }, { tags: ['s', 't'] });
    await redis.configResetStat();
    await Promise.all([store.get('a'), store.get('b')]);
    expect(await commandStats(redis))
      .to.include({ mget: 2 })
      .and.not.to.have.any.keys('get');
    await redis.configResetStat();
    await store.mget('a', 'b');
    expect(await commandStats(redis)).to.include({ mget: 2 });
    await redis.configResetStat();
    await store.set('plain', 1);
    await store.get('plain');
    expect(await commandStats(redis))
      .to.include({ set: 1, get: 1 })
      .and.not.to.have.any.keys('mget', 'exists', 'evalsha');
  });

  it('invalidate 100 000 entries by one command', async () => {
    const store = open();
    await store.set('k0', 'value', { tags: ['all', 'page:1'] });
    // As many more as that one, made inside Redis.
    const copy = "for i = 1, 99999 do redis.call('COPY', KEYS[1], (string.gsub(KEYS[1], '0$', i))) end";
    await redis.eval(copy, { keys: [`${prefix}:k0`] });
    expect(await redis.dbSize()).to.be.at.least(100_000);
    const some = Array.from({ length: 2000 }, (_, i) => `k${i * 50}`);
    expect(await store.mget(...some)).to.deep.equal(some.map(() => 'value'));
    await redis.configResetStat();
    await store.invalidateTags(['all']);
    const { 'config|resetstat': _, config_resetstat: __, info: ___, ...stats } = await commandStats(redis);
    expect(stats).to.deep.equal({ unlink: 1 });
    expect(await store.mget(...some)).to.deep.equal(some.map(() => undefined));
    await store.set('k1', 'again', { tags: ['all'] });
    expect(await store.get('k1')).to.equal('again');
    await redis.flushDb();
  });

  it('that are invalidated while getOrSet makes its value keep it from being read again', async () => {
    const [one, two] = [open(), open()];
    for (const known of [false, true]) {
      if (known) await one.set('makes the tag known', 1, { tags: ['t'] });
      let calls = 0;
      const load = (store: RedisStore, meanwhile?: () => Promise<void>): Promise<number> =>
        store.getOrSet(
          `k ${known}`,
          async () => {
            calls++;
            await meanwhile?.();
            return calls;
          },
          { tags: ['t'], ttl: 60_000 },
        );
      expect(await load(one, () => two.invalidateTags(['t']))).to.equal(1);
      expect(await load(two)).to.equal(2);
      expect(await load(one)).to.equal(2);
    }
  });

  it('keep their order with the calls of one process that does not wait', async () => {
    const store = open();
    for (let i = 0; i < 20; i++) {
      void store.set('k', i, { tags: ['t'] });
      void store.invalidateTags(['t']);
      expect(await store.get('k'), 'set, invalidate, get').to.equal(undefined);
      void store.set('k', i, { tags: ['t'] });
      expect(await store.get('k'), 'set, get').to.equal(i);
      void store.invalidateTags(['t']);
      void store.set('k', -i, { tags: ['t'] });
      expect(await store.get('k'), 'invalidate, set, get').to.equal(-i);
    }
  });

  it('come from the option too', async () => {
    const seen: unknown[] = [];
    const tags = (key: string, value: unknown): string[] => {
      seen.push(value);
      return [`first:${key[0]}`];
    };
    const store = open({ tags });
    await store.set('apple', { n: 1 }, { tags: ['fruit'] });
    await store.set('anise', 2);
    await store.getOrSet('bean', () => 3);
    await store.invalidateTags(['first:a']);
    expect(await store.mget('apple', 'anise', 'bean')).to.deep.equal([undefined, undefined, 3]);
    expect(seen).to.deep.equal([{ n: 1 }, 2, 3]);
  });

  for (const [version, module] of Object.entries(majors)) {
    it(`come from the option under Keyv ${version}, and are given the value`, async () => {
      const seen: unknown[] = [];
      const tags = (key: string, value: unknown): string[] => {
        seen.push(value);
        return [`first:${key[0]}`];
      };
      const adapter = closing(new KeyvRedisStore({ location: server.location, tags }));
      // biome-ignore lint/suspicious/noExplicitAny: the constructors of three majors
      const keyv = new ((module.Keyv ?? module.default ?? module) as any)({ store: adapter, namespace: prefix });
      const keys = ['apple', 'anise', 'bean'];
      for (const [i, key] of keys.entries()) await keyv.set(key, { i });
      expect(seen).to.deep.equal([{ i: 0 }, { i: 1 }, { i: 2 }]);
      expect(await keyv.get(keys)).to.deep.equal([{ i: 0 }, { i: 1 }, { i: 2 }]);
      await adapter.invalidateTags(['first:a']);
      expect(await keyv.get(keys)).to.deep.equal([undefined, undefined, { i: 2 }]);
      expect(await keyv.has('apple')).to.equal(false);
    });
  }

  it('are looked at by all that asks whether an entry is there, where an option says that there are some', async () => {
    const store = open({ tags: true });
    await store.set('k', 1, { tags: ['t', 'long '.repeat(200)], ttl: 60_000 });
    await store.set('e', '', { tags: [] });
    const there = async () => [
      await store.has('k'),
      (await cacheOf(store).reader.hasMany(['k', 'none']))[0],
      (await store.ttl('k')) > 0,
      await store.touch('k', 50_000),
      (await store.keys()).includes('k'),
    ];
    expect(await there()).to.deep.equal([true, true, true, true, true]);
    expect(await store.add('k', 2)).to.equal(false);
    await store.invalidateTags(['t']);
    expect(await there()).to.deep.equal([false, false, false, false, false]);
    expect(await Promise.all([store.add('k', 2, 90_000), store.add('k', 2, 90_000)])).to.have.members([true, false]);
    expect(await store.get('k')).to.equal(2);
    expect(await store.ttl('k')).to.be.within(60_001, 90_000);
    expect(await store.has('e')).to.equal(true);
    void store.set('late', 1, { tags: ['t'] });
    expect(await store.has('late')).to.equal(true);
    void store.del('late');
    expect(await store.has('late')).to.equal(false);
  });

  for (const when of ['before', 'after']) {
    it(`are no reason for add to say what is not so where a stale entry ends ${when} it is replaced`, async () => {
      const store = open({ tags: true });
      await store.set('k', 1, { tags: ['t'], ttl: 200 });
      await store.invalidateTags(['t']);
      const { commands } = cacheOf(store).context;
      const { replace } = commands;
      commands.replace = async (...args) => {
        if (when === 'before') await sleep(300);
        const replaced = await replace(...args);
        await sleep(300);
        return replaced;
      };
      expect(await store.add('k', 2, 60_000)).to.equal(true);
      expect(await store.get('k')).to.equal(2);
      expect(await store.ttl('k')).to.be.within(1, 60_000);
    });
  }

  it('stay with an entry that is reencoded, and keep it from moving to another version', async () => {
    const old = open({ version: 1, tags: true });
    await old.mset({ a: { n: 1 }, b: { n: 2 } }, { tags: ['t'] });
    const now = open({ version: 1, tags: true, compression: { algorithm: 'gzip', threshold: 0 } });
    let last: unknown;
    for await (const progress of now.reencode()) last = progress;
    expect(last).to.include({ rewritten: 2, unreadable: 0, scanned: 2 });
    expect(await old.get('a')).to.deep.equal({ n: 1 });
    expect((await bytesOf(`${prefix}@1:a`)).includes('keyv+gzip')).to.equal(true);
    expect(await rejection(old.incrVersion('a'))).to.include({ code: 'ERR_UNSUPPORTED' });
    await old.invalidateTags(['t']);
    expect(await now.mget('a', 'b')).to.deep.equal([undefined, undefined]);
    expect(now.errors).to.deep.equal([]);
  });

  it('fail loud where they cannot be invalidated, and open where they cannot be read', async () => {
    const store = open();
    await store.set('k', 1, { tags: ['t'] });
    await redis.set(`${prefix}:damaged`, Buffer.concat([Buffer.from([0xc1]), Buffer.from('tags\0["t"]\0"1"')]));
    expect(await store.mget('damaged', 'k')).to.deep.equal([undefined, 1]);
    expect(store.errors.splice(0)).to.have.lengthOf(1).and.to.have.nested.property('[0].code', 'ERR_CODEC');
    await redis.sendCommand(['DEL', `${prefix}#t:t`]);
    await redis.sendCommand(['LPUSH', `${prefix}#t:t`, 'no string']);
    expect(await store.get('k')).to.equal(undefined);
    expect(await rejection(store.invalidateTags(['']))).to.include({ code: 'ERR_ARGUMENT' });
    expect(await rejection(store.set('k', 1, { tags: 'news' as never }))).to.include({ code: 'ERR_ARGUMENT' });
    await store.disconnect();
    expect(await rejection(store.invalidateTags(['t']))).to.include({ code: 'ERR_CLOSED', operation: 'invalidateTags' });
    expect(() => open({ tags: true, keyFunction: (key) => key })).to.throw('expected `tags` to be left out');
  });

  it('that have no place beside the keys are refused at once by every method that takes some', async () => {
    for (const keys of [{ keyPrefix: 'a:b' }, { keyFunction: (key: string) => `own:${key}` }]) {
      const store = openStore({ location: server.location, ...keys });
      const tags = ['t'];
      const calls: (() => Promise<unknown>)[] = [
        () => store.set('k', 1, { tags }),
        () => cacheOf(store).writer.set('k', 1, { tags }),
        () => store.mset({ k: 1, l: 2 }, { tags }),
        () => cacheOf(store).writer.setMany([['k', 1, { tags }]]),
        () => store.add('k', 1, { tags }),
        () => store.getOrSet('k', () => 1, { tags }),
        () => store.getOrSet('k', async ({ setTags }) => setTags(tags)),
        () => store.invalidateTags(tags),
      ];
      await store.ready();
      const before = (await commandStats(redis))['evalsha'];
      const errors = await Promise.all(calls.map((call) => rejection(call())));
      for (const error of errors) {
        expect(error).to.include({ code: 'ERR_ARGUMENT' });
        expect(error.message).to.include('no place for tags');
      }
      expect((await commandStats(redis))['evalsha']).to.equal(before);
      expect(await store.get('k')).to.equal(undefined);
      await store.set('k', 1, { tags: [] });
      expect(await store.get('k')).to.equal(1);
      await store.del('k');
      // What the function of getOrSet throws is its caller's alone.
      const operations = ['set', 'set', 'mset', 'mset', 'setMany', 'add', 'getOrSet', 'invalidateTags'];
      expect(store.errors.map(({ operation }) => operation)).to.have.members(operations);
    }
  });

  it('that cannot be read keep no other caller from making the value: the load takes no lease, because its value could not be stored', async () => {
    const store = open();
    await redis.lPush(`${prefix}#t:broken`, 'what is no generation');
    let leases: unknown;
    const make = async () => {
      leases = await redis.keys(`${prefix}#l:*`);
      return 'made';
    };
    expect(await store.getOrSet('k', make, { tags: ['broken'] })).to.equal('made');
    expect([leases, await store.get('k')]).to.deep.equal([[], undefined]);
    expect(await store.getOrSet('k', make, { tags: ['whole'] })).to.equal('made');
    expect(leases).to.have.length(1);
  });

  it('wrap what is encrypted, which stays bound to its key', async () => {
    const encryption = { keys: [{ id: 'a', key: secretKey('a') }] };
    const store = open({ encryption, tags: true });
    await store.set('k', { secret: 1 }, { tags: ['t'] });
    expect(await store.get('k')).to.deep.equal({ secret: 1 });
    const bytes = await bytesOf(`${prefix}:k`);
    expect(bytes.includes('aes256gcm.2:a')).to.equal(true);
    expect(bytes.includes('secret')).to.equal(false);
    for await (const progress of store.reencode()) expect(progress).to.include({ unreadable: 0 });
    await redis.copy(`${prefix}:k`, `${prefix}:elsewhere`);
    expect(await store.mget('k', 'elsewhere')).to.deep.equal([{ secret: 1 }, undefined]);
    await store.invalidateTags(['t']);
    expect(await store.get('k')).to.equal(undefined);
  });

  it('that cannot be invalidated now are stale in this process until they are', async () => {
    const store = open({ invalidations: 'queue', timeout: 200 });
    await store.set('k', 1, { tags: ['t'] });
    server.freeze();
    await store.invalidateTags(['t']);
    expect(store.errors.at(-1)).to.include({ code: 'ERR_CONNECTION', operation: 'invalidateTags' });
    server.thaw();
    const end = performance.now() + 10_000;
    while ((await redis.exists(`${prefix}#t:t`)) > 0) {
      expect(await store.get('k')).to.equal(undefined);
      expect(performance.now()).to.be.below(end);
    }
    expect(await store.get('k')).to.equal(undefined);
  });

  it('work under memory: as they do on Redis', async () => {
    const store = openStore({ location: 'memory:', tags: true });
    await store.set('k', 1, { tags: ['t'] });
    expect([await store.get('k'), await store.has('k')]).to.deep.equal([1, true]);
    await store.invalidateTags(['t']);
    expect([await store.get('k'), await store.has('k')]).to.deep.equal([undefined, false]);
  });
});
