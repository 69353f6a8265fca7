import { expect } from 'chai';
import { redisStore } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { Counters, readStats } from '../../src/telemetry/stats.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore, rejection } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

describe('stats', () => {
  it('count a hit or a miss for each key that was read, and the bytes as they are stored', async () => {
    const store = openStore();
    await store.set('a', 'ä'); // "ä" in quotes: four bytes
    await store.mset({ b: 12, c: [1] });
    await store.get('a');
    await store.mget('b', 'c', 'missing');
    await store.getAndDelete('b');
    await store.has('a');
    expect(store.stats()).to.deep.include({
      hits: 4,
      misses: 1,
      near: { hits: 0, misses: 0, entries: 0, bytes: 0 },
      redis: { hits: 4, misses: 1 },
      writes: 3,
      deletes: 1,
      bytesWritten: 4 + 2 + 3,
      bytesRead: 4 + 2 + 3 + 2,
      failures: 0,
    });
  });

  it('are the documented ones and no others', () => {
    const documented = ['hits', 'misses', 'writes', 'deletes', 'failures', 'timeouts', 'refused', 'loads', 'staleServed', 'leaseWaits'];
    const all = [...documented, 'bytesRead', 'bytesWritten', 'near', 'redis', 'pending', 'breaker'];
    expect(Object.keys(openStore().stats())).to.have.members(all);
  });

  it('count each caller of reads that left as one command', async () => {
    const store = openStore();
    await store.set('k', 1);
    await Promise.all([store.get('k'), store.get('k'), store.get('other')]);
    expect(store.stats()).to.include({ hits: 2, misses: 1 });
  });

  it('tell what the near tier answered from what Redis did', async () => {
    const store = openStore({ near: {} });
    await store.mset({ a: 1, b: 2 });
    const read = async (): Promise<void> => {
      await store.get('a');
      await store.get('missing');
      await store.mget('a', 'b', 'missing');
      await store.getOrSet('b', () => 3);
    };
    // Reads are kept once the server tracks the connection.
    do {
      store.stats({ reset: true });
      await read();
    } while (store.stats().redis.hits + store.stats().redis.misses > 0);
    store.stats({ reset: true });
    await read();
    expect(store.stats()).to.deep.include({ hits: 4, misses: 2, redis: { hits: 0, misses: 0 } });
    expect(store.stats().near).to.include({ hits: 4, misses: 2 });
    await store.set('a', 2);
    store.stats({ reset: true });
    await store.mget('a', 'b');
    expect(store.stats()).to.deep.include({ hits: 2, redis: { hits: 1, misses: 0 } });
    expect(store.stats().near).to.include({ hits: 1, misses: 0 });
  });

  it('say how much the near tier holds, beside what it answered', async () => {
    const store = openStore({ near: { max: 2 }, prefix: 'near-size' });
    await store.mset({ a: 'x'.repeat(100), b: 'x'.repeat(1000) });
    const empty = { hits: 0, misses: 0, entries: 0, bytes: 0 };
    expect(store.stats().near).to.deep.equal(empty);
    const keep = (key: string): Promise<void> =>
      until(async () => {
        const { hits } = store.stats().near;
        await store.get(key);
        return store.stats().near.hits > hits;
      });
    await keep('a');
    const { entries, bytes } = store.stats().near;
    expect(entries).to.equal(1);
    expect(bytes).to.be.within(100, 400);
    await keep('b');
    const two = store.stats({ reset: true }).near;
    expect(two.entries).to.equal(2);
    expect(two.bytes - bytes).to.equal(bytes + 900);
    // What is there is there, whatever was counted.
    expect(store.stats().near).to.deep.equal({ ...empty, entries: 2, bytes: two.bytes });
    await store.mdel('a', 'b');
    expect(store.stats().near).to.include({ entries: 0, bytes: 0 });
  });

  it('count an entry with an invalidated tag as a miss, and the keys of tags as nothing', async () => {
    const store = openStore({ tags: true });
    const told: unknown[] = [];
    store.on('set', ({ key }) => told.push(['set', key]));
    store.on('delete', ({ key }) => told.push(['delete', key]));
    await store.set('k', 1, { tags: ['t'] });
    await store.get('k');
    await store.invalidateTags(['t']);
    await store.get('k');
    await store.mget('k');
    expect(await store.getOrSet('k', () => 2)).to.equal(2);
    await store.clear();
    expect(store.stats()).to.deep.include({ hits: 1, misses: 3, writes: 2, deletes: 1, bytesRead: 1 });
    expect(told).to.deep.equal([
      ['set', 'k'],
      ['set', 'k'],
      ['delete', 'k'],
    ]);
  });

  it('count bytes after compression', async () => {
    const store = openStore({ compression: { algorithm: 'gzip', threshold: 0 } });
    await store.set('k', 'x'.repeat(10_000));
    await store.get('k');
    const { bytesRead, bytesWritten } = store.stats();
    expect(bytesWritten).to.be.within(1, 500);
    expect(bytesRead).to.equal(bytesWritten);
  });

  it('estimate the bytes of texts beyond the first 61 by those that are measured', async () => {
    const store = openStore({ location: 'memory:' });
    for (let i = 0; i < 1000; i++) await store.set(`k${i}`, i % 2 === 0 ? 'äöü' : 'abc');
    expect(store.stats().bytesWritten).to.be.within(6_400, 6_600); // 8 and 5 bytes in turn: 6500
    store.stats({ reset: true });
    for (let i = 0; i < 1000; i++) await store.set(`k${i}`, 'abc');
    expect(store.stats().bytesWritten).to.equal(5_000);
  });

  it('know the bytes of what the near tier answers, text or not', async () => {
    const store = openStore({ near: {} });
    const told: number[] = [];
    await store.mset({ a: 'äöü', b: 'abc' }); // 8 and 5 bytes
    // Reads are kept once the server tracks the connection.
    do {
      store.stats({ reset: true });
      await store.get('a');
      await store.get('b');
    } while (store.stats().redis.hits > 0);
    store.stats({ reset: true });
    for (let i = 0; i < 1000; i++) await store.get(i % 10 === 0 ? 'a' : 'b');
    expect(store.stats().bytesRead).to.equal(100 * 8 + 900 * 5);
    store.on('hit', ({ bytes }) => told.push(bytes));
    await store.get('a');
    await store.get('b');
    expect(told).to.deep.equal([8, 5]);
  });

  it('count deletions by any method, key by key', async () => {
    const store = openStore();
    await store.mset({ a: 1, b: 2, c: 3, d: 4 });
    await store.del('a');
    await store.mdel('b', 'missing');
    await store.delPattern('c*');
    await store.clear();
    expect(store.stats().deletes).to.equal(1 + 2 + 1 + 1);
  });

  it('count what getOrSet loads', async () => {
    const store = openStore();
    await store.getOrSet('k', () => 1);
    await store.getOrSet('k', () => 2);
    expect(store.stats()).to.include({ loads: 1, hits: 1, misses: 1, writes: 1 });
  });

  it('do not take a failed read for a miss, and count every failure once', async () => {
    const store = openStore({ location: `127.0.0.1:${await freePort()}`, breaker: false });
    await store.get('k');
    await store.set('k', 1);
    await rejection(store.del('k'));
    await store.getOrSet('k', () => 1);
    expect(store.stats()).to.include({ hits: 0, misses: 0, failures: 4, timeouts: 0, loads: 1 });
    expect(store.errors.filter(({ operation }) => operation !== undefined)).to.have.length(4);
  });

  it('tell timeouts and refusals apart, count an outage once, and say what is under way', async () => {
    const server = await RedisServer.start();
    try {
      const store = openStore({ location: server.location, timeout: 100, breaker: { threshold: 2, cooldown: 60_000 }, batch: false });
      await store.ready();
      server.freeze();
      const lost = [store.get('a'), store.get('b')];
      await Promise.resolve();
      expect(store.stats().pending).to.equal(2);
      await Promise.all(lost);
      await store.get('c');
      expect(store.stats()).to.deep.include({
        failures: 3,
        timeouts: 2,
        refused: 1,
        pending: 0,
        breaker: { state: 'open', opened: 1 },
      });
    } finally {
      server.thaw();
      await server.stop();
    }
  });

  it('count an outage once, however many trials fail during it', async () => {
    const server = await RedisServer.start();
    try {
      const store = openStore({ location: server.location, timeout: 60, breaker: { threshold: 1, cooldown: 20, maxCooldown: 20 } });
      const states: string[] = [];
      store.on('breaker', (state) => states.push(state));
      await store.ready();
      server.freeze();
      while (states.filter((state) => state === 'open').length < 3) await store.get('k');
      expect(store.stats().breaker.opened).to.equal(1);
    } finally {
      server.thaw();
      await server.stop();
    }
  });

  it('count refusals also without a listener for errors', async () => {
    const server = await RedisServer.start();
    const store = closing(redisStore({ location: server.location, breaker: { threshold: 1, cooldown: 60_000 }, timeout: 100 }));
    try {
      await store.ready();
      server.freeze();
      await store.get('a');
      for (let i = 0; i < 3; i++) await store.get('b');
      expect(store.stats()).to.include({ failures: 4, refused: 3 });
    } finally {
      server.thaw();
      await server.stop();
    }
  });

  it('start from zero where asked to, and keep what is so now', async () => {
    const store = openStore();
    await store.set('k', 1);
    await store.get('k');
    expect(store.stats({ reset: true })).to.include({ hits: 1, writes: 1 });
    const { breaker, near, redis, ...numbers } = store.stats();
    expect(Object.values(numbers)).to.satisfy((all: unknown[]) => all.every((each) => each === 0));
    expect({ breaker, near, redis }).to.deep.equal({
      breaker: { state: 'closed', opened: 0 },
      near: { hits: 0, misses: 0, entries: 0, bytes: 0 },
      redis: { hits: 0, misses: 0 },
    });
  });

  it('are those of the adapter under Keyv, and of stores bounded otherwise', async () => {
    const adapter = closing(new KeyvRedisStore({ location: sharedServer().location, namespace: 'stats-a' }));
    await adapter.set('k', 'v', 10_000);
    await adapter.get('k');
    await adapter.get('l');
    expect(adapter.stats()).to.include({ hits: 1, misses: 1, writes: 1 });
    const store = openStore();
    await store.with({ timeout: 500 }).get('k');
    expect(store.stats().misses).to.equal(1);
  });

  it('have a place for the near tier: what it answers is taken from what Redis did', () => {
    const counters = Object.assign(new Counters(), { hits: 10, misses: 4, nearHits: 7, nearMisses: 1 });
    const stats = readStats(counters, { breaker: 'closed', pending: 0 });
    expect(stats).to.deep.include({ hits: 10, misses: 4, redis: { hits: 3, misses: 3 } });
    expect(stats.near).to.deep.equal({ hits: 7, misses: 1, entries: 0, bytes: 0 });
  });

  it('are there for memory: as well', async () => {
    const store = openStore({ location: 'memory:' });
    await store.set('k', 'ä');
    await store.get('k');
    expect(store.stats()).to.include({ hits: 1, bytesRead: 4, bytesWritten: 4, pending: 0 });
  });
});
