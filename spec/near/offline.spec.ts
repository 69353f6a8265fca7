import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCache } from 'cache-manager';
import { caching } from 'cache-manager5';
import { expect } from 'chai';
import { type Compressor, gzipCompressor, redisStore, type StoreOptions, v8Serializer } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { closing, openStore, rejection, stopping } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

const ttl = 30_000;

describe('offline', () => {
  let server: RedisServer;

  const open = (options: StoreOptions = {}) => openStore({ location: server.location, offline: { ttl }, ...options });

  type Caller = { readonly breaker: string; get(key: string): Promise<unknown> };

  /** Reads until the store knows that its server is away, or is back. */
  const untilAway = (store: Caller): Promise<void> => untilBreaker(store, (state) => state !== 'closed');
  const untilBack = (store: Caller): Promise<void> => untilBreaker(store, (state) => state === 'closed');
  function untilBreaker(store: Caller, test: (state: string) => boolean): Promise<void> {
    return until(async () => {
      await store.get('another key').catch(() => {});
      return test(store.breaker);
    });
  }

  async function away(...stores: Caller[]): Promise<void> {
    await server.kill();
    for (const store of stores) await untilAway(store);
  }

  beforeEach(async () => {
    server = stopping(await RedisServer.start());
  });

  describe('calls the source once for a key and ttl', () => {
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    const [time, short] = [3000, 1000];

    /** 20 requests a second for ten keys, while Redis is away. @returns how often the source was called */
    async function requests(wrap: (key: string, source: () => Promise<string>) => Promise<unknown>): Promise<number> {
      let calls = 0;
      const source = async (): Promise<string> => {
        calls++;
        return 'value';
      };
      await server.kill();
      // The breaker learns of it.
      await sleep(100);
      const end = performance.now() + time;
      for (let i = 0; performance.now() < end; i++) {
        expect(await wrap(keys[i % keys.length] as string, source)).to.equal('value');
        await sleep(50);
      }
      return calls;
    }
    const most = keys.length * (time / short + 1);

    it('with getOrSet', async () => {
      const store = open({ offline: { ttl: short } });
      await store.set('warm', 1);
      expect(await requests((key, source) => store.getOrSet(key, source))).to.be.within(10, most);
    });

    it("with cache-manager 7's wrap over createKeyv", async () => {
      const keyv = createKeyv({ location: server.location, offline: { ttl: short } });
      keyv.on('error', () => {});
      const cache = closing(createCache({ stores: [keyv] }));
      await cache.set('warm', 1);
      expect(await requests((key, source) => cache.wrap(key, source))).to.be.within(10, most);
    });

    it("with cache-manager 5's wrap", async () => {
      const cache = await caching(open({ offline: { ttl: short } }));
      await cache.set('warm', 1);
      expect(await requests((key, source) => cache.wrap(key, source))).to.be.within(10, most);
    });
  });

  it('serves what was read and written before the outage, with no rejection', async () => {
    const store = open({ onFailure: 'throw' });
    const other = open({ prefix: store.source.prefix, offline: undefined });
    await other.set('read', { a: 1 });
    await store.set('warm', 1);
    await store.set('written', [2]);
    await store.get('read');
    await server.kill();
    await untilAway(store);
    expect(await store.get('read')).to.deep.equal({ a: 1 });
    expect(await store.get('written')).to.deep.equal([2]);
    expect(await store.mget('read', 'written')).to.deep.equal([{ a: 1 }, [2]]);
    expect(await store.has('read')).to.equal(true);
    // It is renewed once Redis is back and it is read again, as by any call that fails.
    expect(await store.getAndTouch('read', 60_000)).to.deep.equal({ a: 1 });
    expect(await store.get('read')).to.deep.equal({ a: 1 });
    expect(await store.getOrSet('read', () => 'made')).to.deep.equal({ a: 1 });
    expect(await rejection(store.get('unknown'))).to.include({ code: 'ERR_BREAKER_OPEN' });
    expect(await rejection(store.mget('read', 'unknown'))).to.include({ code: 'ERR_BREAKER_OPEN' });
  });

  it('answers getAndTouch as Redis would: not with a stale value, and not beyond the time that it gave', async () => {
    const store = open();
    const how = { ttl: 400, staleFor: 60_000 };
    await store.getOrSet('stale', () => 'old', how);
    await store.getOrSet('fresh', () => 'new', { ttl: 60_000, staleFor: 60_000 });
    await store.set('touched', 'short', 60_000);
    await store.getAndTouch('touched', 400);
    await store.set('written', 'short', 400);
    await store.get('written');
    await sleep(450);
    await store.getOrSet('stale', () => sleep(60_000, 'never', { ref: false }), how);
    await server.kill();
    await untilAway(store);
    expect(await store.getAndTouch('stale', 1000)).to.equal(undefined);
    expect(await store.getAndTouch('fresh', 1000)).to.equal('new');
    expect(await store.getOrSet('stale', () => 'made', how)).to.equal('old');
    expect([await store.get('touched'), await store.get('written')]).to.deep.equal([undefined, undefined]);
  });

  it('gives of many keys those that it holds, and an event for the others', async () => {
    const store = open();
    await store.mset([
      ['a', 1],
      ['b', 2],
    ]);
    await away(store);
    store.errors.length = 0;
    expect(await store.mget('a', 'unknown', 'b')).to.deep.equal([1, undefined, 2]);
    expect(store.errors.map(({ code, operation }) => [code, operation])).to.deep.equal([['ERR_BREAKER_OPEN', 'mget']]);
  });

  it('keeps nothing longer than its ttl, nor than the entry lives', async () => {
    const [store, short] = [open(), open({ offline: { ttl: 300 } })];
    await store.set('long', 1);
    await store.set('brief', 2, 400);
    await short.set('long', 3);
    await away(store, short);
    expect(await store.get('brief')).to.equal(2);
    await sleep(450);
    expect(await store.get('long')).to.equal(1);
    expect(await store.get('brief')).to.equal(undefined);
    expect(await short.get('long')).to.equal(undefined);
  });

  it('serves what is written during the outage, and drops it when Redis is back', async () => {
    const store = open();
    await store.set('warm', 1);
    await away(store);
    await store.set('k', 'kept here');
    expect(await store.get('k')).to.equal('kept here');
    expect(await store.getOrSet('made', () => 'made')).to.equal('made');
    expect(await store.get('made')).to.equal('made');
    await server.restart();
    await untilBack(store);
    expect(await store.get('made')).to.equal(undefined);
    expect(await store.get('k')).to.equal(undefined);
    expect(await store.get('warm')).to.equal(undefined);
  });

  for (const invalidations of ['reject', 'queue'] as const) {
    it(`reads nothing older than the last acknowledged write once Redis is back, with invalidations: ${invalidations}`, async () => {
      const persistent = stopping(await RedisServer.start(['--save', '', '--appendonly', 'yes', '--appendfsync', 'always']));
      const store = openStore({ location: persistent.location, offline: { ttl }, invalidations });
      const other = openStore({ location: persistent.location, prefix: store.source.prefix });
      for (const key of ['a', 'b', 'failed']) await store.set(key, 'old');
      await store.mget('a', 'b', 'failed');
      await persistent.kill();
      await untilAway(store);
      await store.set('failed', 'new');
      expect(await store.mget('a', 'failed')).to.deep.equal(['old', 'new']);
      await persistent.restart();
      await until(() => other.set('a', 'newer').then(async () => (await other.get('a')) === 'newer'));
      await untilBack(store);
      expect(await store.get('a')).to.equal('newer');
      expect(await store.get('b')).to.equal('old');
      // The value that was not stored has deleted the one before it.
      expect(await store.get('failed')).to.equal(undefined);
      await until(async () => (await other.get('failed')) === undefined);
    });
  }

  it('serves no value whose write ended while it was encoded', async () => {
    for (const key of ['aborted', 'late']) {
      let encoded!: () => void;
      const gate = new Promise<void>((resolve) => {
        encoded = resolve;
      });
      const slow: Compressor = { ...gzipCompressor, name: 'slow', compress: (bytes) => gate.then(() => gzipCompressor.compress(bytes)) };
      const store = open({ compression: { algorithm: slow, threshold: 1000 }, timeout: 300 });
      await store.set(key, 'old');
      const caller = new AbortController();
      const written = store.with({ signal: caller.signal }).set(key, 'new'.repeat(1000));
      if (key === 'aborted') caller.abort();
      await written.catch(() => {});
      encoded();
      await sleep(20);
      await away(store);
      expect(await store.get(key)).to.equal(undefined);
      await server.restart();
    }
  });

  it('serves while Redis is frozen, from the moment the breaker opens', async () => {
    const store = open({ timeout: 200, batch: false });
    const other = open({ prefix: store.source.prefix, offline: undefined });
    await store.set('k', 1);
    await other.get('k');
    server.freeze();
    // Calls that were sent before the breaker opened are answered here too.
    const reads = await Promise.all(Array.from({ length: 10 }, () => store.get('k')));
    expect(reads.at(-1)).to.equal(1);
    expect(await store.get('k')).to.equal(1);
    server.thaw();
    await until(() => other.set('k', 2).then(async () => (await other.get('k')) === 2));
    await until(async () => (await store.get('k')) === 2);
  });

  it('notices that Redis is back while every read is answered here', async () => {
    const store = open();
    await store.set('k', 1);
    await away(store);
    await server.restart();
    await until(async () => (await store.get('k')) === undefined, 5000);
    expect(store.breaker).to.equal('closed');
  });

  it('serves no entry that was deleted during the outage', async () => {
    const store = open();
    for (const key of ['del', 'mdel', 'ab', 'cd']) await store.set(key, 1);
    await away(store);
    await store.del('del').catch(() => {});
    await store.mdel('mdel').catch(() => {});
    expect(await store.mget('del', 'mdel', 'ab', 'cd')).to.deep.equal([undefined, undefined, 1, 1]);
    await store.delPattern('a*').catch(() => {});
    expect(await store.mget('ab', 'cd')).to.deep.equal([undefined, 1]);
    await store.clear().catch(() => {});
    expect(await store.get('cd')).to.equal(undefined);
  });

  it('keeps no value whose load a deletion has overtaken', async () => {
    const store = open();
    await store.set('warm', 1);
    await away(store);
    const made = await store.getOrSet('k', async () => {
      await store.del('k').catch(() => {});
      return 'old';
    });
    expect(made).to.equal('old');
    expect(await store.get('k')).to.equal(undefined);
  });

  it('keeps no value whose load began in an outage and ended after it', async () => {
    const store = open();
    const other = open({ prefix: store.source.prefix, offline: undefined });
    await store.set('warm', 1);
    await away(store);
    let made!: (value: string) => void;
    const value = new Promise<string>((resolve) => {
      made = resolve;
    });
    const load = store.getOrSet('k', () => value);
    await server.restart();
    await untilBack(store);
    await until(() => other.set('k', 'new').then(async () => (await other.get('k')) === 'new'));
    expect(await store.get('k')).to.equal('new');
    made('old');
    expect(await load).to.equal('old');
    await away(store);
    expect(await store.get('k')).to.equal('new');
  });

  it('honours tags, those of values that are made during the outage too', async () => {
    const store = open({ tags: true, invalidations: 'queue' });
    await store.set('before', 1, { tags: ['t'] });
    await store.set('other', 1, { tags: ['u'] });
    await away(store);
    let calls = 0;
    const load = (tag: string) => store.getOrSet(`made ${tag}`, () => ++calls, { tags: [tag] });
    expect([await load('t'), await load('t'), await load('new'), await load('new')]).to.deep.equal([1, 1, 2, 2]);
    expect([await store.get('before'), await store.has('before')]).to.deep.equal([1, true]);
    await store.invalidateTags(['t', 'new']);
    expect(await store.mget('before', 'other', 'made t', 'made new')).to.deep.equal([undefined, 1, undefined, undefined]);
    expect(await store.has('before')).to.equal(false);
    expect([await load('t'), await load('t'), await load('new'), await load('new')]).to.deep.equal([3, 3, 4, 4]);
    const overtaken = await store.getOrSet(
      'overtaken',
      async () => {
        await store.invalidateTags(['t']);
        return 'old';
      },
      { tags: ['t'] },
    );
    expect([overtaken, await store.get('overtaken')]).to.deep.equal(['old', undefined]);
  });

  it('honours a lazy clear', async () => {
    const store = open({ lazyClear: true, invalidations: 'queue' });
    await store.set('k', 1);
    await away(store);
    expect(await store.get('k')).to.equal(1);
    await store.clear({ lazy: true });
    expect(await store.get('k')).to.equal(undefined);
    await store.set('k', 2);
    expect([await store.get('k'), await store.getOrSet('made', () => 3), await store.get('made')]).to.deep.equal([2, 3, 3]);
  });

  it('serves stale values of getOrSet by its own rule', async () => {
    const store = open();
    await store.getOrSet('k', () => 'value', { ttl: 60_000, staleFor: 60_000 });
    await away(store);
    expect(await store.getOrSet('k', () => 'other', { ttl: 60_000, staleFor: 60_000 })).to.equal('value');
    expect(await store.get('k')).to.equal('value');
  });

  it('holds at most `max` entries, those used last', async () => {
    const store = open({ offline: { max: 3, ttl } });
    for (let i = 0; i < 10; i++) await store.set(`k${i}`, i);
    await away(store);
    const values = await store.mget(...Array.from({ length: 10 }, (_, i) => `k${i}`));
    expect(values.filter((value) => value !== undefined)).to.deep.equal([7, 8, 9]);
  });

  it('gives each caller a value of its own, and keeps the value as it was', async () => {
    const store = open();
    const [value, bytes] = [{ list: [1] }, Buffer.from('bytes')];
    await store.set('k', value);
    await store.set('b', bytes);
    value.list.push(2);
    bytes.fill(0);
    await away(store);
    for (const made of [await store.get<typeof value>('k'), await store.getOrSet('made', () => ({ list: [1] }))]) made?.list.push(3);
    (await store.get<Buffer>('b'))?.fill(0);
    expect([await store.get('k'), await store.get('made')]).to.deep.equal([{ list: [1] }, { list: [1] }]);
    expect(String(await store.get('b'))).to.equal('bytes');
  });

  it('holds encrypted values encrypted, and those of every serializer', async () => {
    const encryption = { keys: [{ id: 'a', key: randomBytes(32) }] };
    for (const more of [{ encryption }, { serializer: v8Serializer }, { compression: { algorithm: gzipCompressor, threshold: 1 } }]) {
      const store = open(more);
      await store.set('k', { a: 1 });
      await away(store);
      expect(await store.get('k')).to.deep.equal({ a: 1 });
      await server.restart();
    }
  });

  it('takes over what the near tier held', async () => {
    const store = open({ near: {} });
    const other = open({ prefix: store.source.prefix, offline: undefined });
    await other.set('k', 1);
    await store.get('k');
    await until(async () => (await store.get('k')) === 1 && store.stats().near.hits > 0);
    await away(store);
    expect(await store.get('k')).to.equal(1);
  });

  it('keeps the deadline and the signal of a view', async () => {
    const store = open();
    await store.set('k', 1);
    await away(store);
    expect(await store.with({ timeout: 50 }).get('k')).to.equal(1);
    expect(await rejection(store.with({ signal: AbortSignal.abort() }).getOrSet('k', () => 2))).to.include({ code: 'ERR_ABORTED' });
  });

  it('is off by default: while Redis is away every read is a miss', async () => {
    const store = open({ offline: undefined });
    await store.set('k', 1);
    await away(store);
    expect(await store.get('k')).to.equal(undefined);
  });

  it('serves nothing once the store is disconnected', async () => {
    const store = open();
    await store.set('k', 1);
    await away(store);
    await store.disconnect();
    expect(await store.get('k')).to.equal(undefined);
  });

  it('under Keyv, deletions and clear', async () => {
    const keyv = createKeyv({ location: server.location, offline: { ttl }, namespace: 'n' });
    keyv.on('error', () => {});
    closing(keyv);
    for (const key of ['a', 'b', 'c']) await keyv.set(key, key);
    await server.kill();
    await untilAway(keyv.store as never);
    expect(await keyv.get(['a', 'b'])).to.deep.equal(['a', 'b']);
    await keyv.delete('a');
    expect([await keyv.get('a'), await keyv.get('b')]).to.deep.equal([undefined, 'b']);
    await keyv.clear();
    expect(await keyv.get('b')).to.equal(undefined);
    await keyv.set('c', 'new');
    expect(await keyv.get('c')).to.equal('new');
  });

  describe('its option', () => {
    const refused = (options: StoreOptions): void => expect(() => redisStore(options)).to.throw(/offline/) as never;

    it('is ignored by `memory:`, as `near` is', async () => {
      const store = openStore({ location: 'memory:', offline: { max: 1 } });
      await store.mset({ a: 1, b: 2 });
      expect(await store.mget('a', 'b')).to.deep.equal([1, 2]);
    });

    it('needs the circuit breaker, and bounds that are numbers', () => {
      refused({ offline: {}, breaker: false });
      refused({ offline: { max: 0 } });
      refused({ offline: { ttl: 0 } });
      refused({ offline: { ttl: Number.POSITIVE_INFINITY } });
      refused({ offline: { maxx: 1 } as never });
      refused({ offline: true as never });
    });
  });
});
