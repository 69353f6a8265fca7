import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { cacheOf } from '../support/internals.js';
import { closing, openStore, rejection } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

describe('clear({ lazy: true })', () => {
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
  const open = (more: StoreOptions = {}) => openStore({ location: server.location, prefix, lazyClear: true, ...more });
  it('sends one UNLINK, whatever there is, and looks for what to delete afterwards', async () => {
    const store = open();
    await redis.configResetStat();
    await store.clear({ lazy: true });
    await until(async () => Number((await commandStats(redis))['scan']) > 0);
    expect(await commandStats(redis)).to.include({ unlink: 1 });
  });

  it('makes every entry a miss for every store, and then deletes them in bounded steps', async () => {
    const [one, two] = [open({ timeout: 10_000 }), open()];
    const entries = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i]));
    await one.mset(entries);
    await redis.set('foreign', '1');
    await redis.set(`${prefix}x:1`, '1');
    expect(await two.get('k7')).to.equal(7);
    await one.clear({ lazy: true });
    expect(await two.mget('k7', 'k8')).to.deep.equal([undefined, undefined]);
    expect([await two.has('k7'), await two.ttl('k7')]).to.deep.equal([false, -2]);
    await two.set('k7', 'new');
    await until(async () => (await redis.dbSize()) === 4);
    expect(await two.mget('k7', 'k8')).to.deep.equal(['new', undefined]);
    expect(await two.keys()).to.deep.equal(['k7']);
    expect(await redis.exists(['foreign', `${prefix}x:1`])).to.equal(2);
    expect([...one.errors, ...two.errors]).to.deep.equal([]);
  });

  it('leaves what is written while it sweeps, and what is written between two of them', async () => {
    const [one, two] = [open({ timeout: 10_000 }), open()];
    const keys = Array.from({ length: 2000 }, (_, i) => `k${i}`);
    for (let round = 0; round < 3; round++) {
      await one.mset(Object.fromEntries(keys.map((key) => [key, 'old'])));
      await one.clear({ lazy: true });
      // The same keys again, by another store, as fast as the sweep goes.
      const written = Promise.all(keys.map((key, i) => (i % 2 ? two.set(key, round) : undefined)));
      await Promise.all([written, one.sweep(), two.sweep()]);
      expect(await one.mget(...keys)).to.deep.equal(keys.map((_, i) => (i % 2 ? round : undefined)));
    }
    expect([...one.errors, ...two.errors]).to.deep.equal([]);
  });

  it('deletes what it can before the store is disconnected, and is told to end then', async () => {
    const patient = open({ timeout: 10_000 });
    await patient.mset(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i])));
    await patient.clear({ lazy: true });
    await patient.disconnect();
    expect(await redis.keys(`${prefix}*`)).to.deep.equal([]);

    const hasty = open({ timeout: 300 });
    await hasty.set('k', 1);
    const { commands } = cacheOf(hasty).context;
    const { scan } = commands;
    let pages = 0;
    commands.scan = async function* (...args) {
      // A scan that goes on and on.
      for (;;) {
        pages++;
        yield* scan(...args);
        await sleep(20);
      }
    };
    await hasty.clear({ lazy: true });
    await hasty.disconnect();
    const before = pages;
    await sleep(100);
    expect([before > 5, pages - before <= 1]).to.deep.equal([true, true]);
    expect([...patient.errors, ...hasty.errors]).to.deep.equal([]);
  });

  it('costs no command more for a read, and sweeps what an earlier process has left', async () => {
    const store = open();
    await store.set('k', 1);
    await redis.configResetStat();
    expect(await store.get('k')).to.equal(1);
    expect(await commandStats(redis))
      .to.include({ mget: 1 })
      .and.not.to.have.any.keys('get');
    // The generation is gone, as though it had been evicted, or as though the process had ended before the sweep.
    await redis.unlink(`${prefix}#t:`);
    expect(await store.get('k')).to.equal(undefined);
    expect(await redis.exists(`${prefix}:k`)).to.equal(1);
    expect(await store.sweep()).to.equal(1);
    expect(await redis.exists(`${prefix}:k`)).to.equal(0);
  });

  it('reads no entry that carries no generation, and sweeps none', async () => {
    const [lazy, plain] = [open(), open({ lazyClear: false })];
    await plain.set('plain', 1);
    await lazy.set('lazy', 1);
    expect(await lazy.mget('plain', 'lazy')).to.deep.equal([undefined, 1]);
    expect(await plain.mget('plain', 'lazy')).to.deep.equal([1, 1]);
    expect(await lazy.add('plain', 2)).to.equal(true);
    await plain.set('plain', 1);
    await lazy.clear({ lazy: true });
    await lazy.sweep();
    expect(await plain.mget('plain', 'lazy')).to.deep.equal([1, undefined]);
    await lazy.clear();
    expect(await redis.keys(`${prefix}*`)).to.deep.equal([]);
  });

  it('keeps a getOrSet that began before it from storing', async () => {
    const [one, two] = [open(), open()];
    const made = await one.getOrSet('k', async () => {
      await two.clear({ lazy: true });
      return 'old';
    });
    expect(made).to.equal('old');
    expect(await two.get('k')).to.equal(undefined);
  });

  it('is refused where the store was not told', async () => {
    const store = open({ lazyClear: false });
    expect(await rejection(store.clear({ lazy: true })))
      .to.include({ code: 'ERR_UNSUPPORTED', operation: 'clear' })
      .and.property('message')
      .to.include('`lazyClear: true`');
    expect(await rejection(open().clear({ lazy: true, allVersions: true }))).to.include({ code: 'ERR_ARGUMENT' });
    expect(await rejection(open().incr('n', 1, { initial: 0 }))).to.include({ code: 'ERR_UNSUPPORTED' });
    expect(() => open({ lazyClear: 1 as never })).to.throw('expected `lazyClear` to be a boolean, got `1`');
  });

  it('is there under Keyv and in memory', async () => {
    const adapter = closing(new KeyvRedisStore({ location: server.location, lazyClear: true, namespace: prefix }));
    await adapter.set('k', '{"value":1}');
    expect(await adapter.get('k')).to.equal('{"value":1}');
    await adapter.clear({ lazy: true });
    expect(await adapter.getMany(['k'])).to.deep.equal([undefined]);
    const memory = open({ location: 'memory:' });
    await memory.set('k', 1);
    await memory.clear({ lazy: true });
    expect(await memory.get('k')).to.equal(undefined);
    await memory.set('k', 2);
    expect(await memory.sweep()).to.equal(0);
    expect(await memory.get('k')).to.equal(2);
  });
});
