import { expect } from 'chai';
import fc from 'fast-check';
import { frame } from '../../src/codec/entry.js';
import { CacheError, ConnectionError, redisStore } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore, rejection } from '../support/open.js';
import { freePort } from '../support/redis.js';
import { unhandled } from '../support/unhandled.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('failure policy', () => {
  let location: string;
  let redis: RawClient;
  before(async () => {
    location = `127.0.0.1:${await freePort()}`;
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  it('makes misses of failed reads and writes, each with an error event that names operation and key', async () => {
    const store = openStore({ location });
    const ran: string[] = [];
    expect(await store.get('k')).to.equal(undefined);
    await store.set('k', 1);
    expect(await store.mget('a', 'b')).to.deep.equal([undefined, undefined]);
    await store.mset({ a: 1 });
    expect(await store.has('k')).to.equal(false);
    expect(await cacheOf(store).reader.hasMany(['a', 'b'])).to.deep.equal([false, false]);
    expect(await store.ttl('k')).to.equal(-2);
    expect(await store.getOrSet('k', () => ran.push('function'))).to.equal(1);
    expect(ran).to.deep.equal(['function']);
    const seen = store.errors.filter(({ operation }) => operation !== undefined).map(({ operation, key }) => `${operation} ${key}`);
    expect(seen).to.include.members(['get k', 'set k', 'mget undefined', 'mset a', 'has k', 'ttl k', 'getOrSet k']);
    for (const error of store.errors) expect(error).to.be.instanceOf(ConnectionError).and.instanceOf(CacheError);
    expect(store.errors[0]).to.include({ code: 'ERR_CONNECTION', name: 'ConnectionError' });
  });

  it('lets what the caller relies on fail loud', async () => {
    const store = openStore({ location, version: 1 });
    const drain = async (pages: AsyncIterable<unknown>) => {
      for await (const _ of pages);
    };
    const loud: Record<string, () => Promise<unknown>> = {
      del: () => store.del('k'),
      mdel: () => store.mdel('k', 'l'),
      clear: () => store.reset(),
      delPattern: () => store.delPattern('*'),
      add: () => store.add('k', 1),
      incr: () => store.incr('k'),
      decr: () => store.decr('k'),
      touch: () => store.touch('k', 1),
      persist: () => store.persist('k'),
      expire: () => store.expire('k'),
      expireTags: () => store.expireTags(['t']),
      getAndDelete: () => store.getAndDelete('k'),
      incrVersion: () => store.incrVersion('k'),
      keys: () => store.keys(),
      iterate: () => drain(store.iterate()),
      reencode: () => drain(store.reencode()),
    };
    for (const [operation, call] of Object.entries(loud))
      expect(await rejection(call()), operation)
        .to.be.instanceOf(ConnectionError)
        .and.include({ operation });
    for (const call of [() => store.ready(), () => store.ping()]) expect(await rejection(call())).to.include({ code: 'ERR_CONNECTION' });
  });

  it('throws everywhere where asked to, except what the function of getOrSet made', async () => {
    const store = openStore({ location, onFailure: 'throw' });
    for (const call of [
      () => store.get('k'),
      () => store.set('k', 1),
      () => store.mget('k'),
      () => store.mset({ k: 1 }),
      () => store.has('k'),
      () => store.ttl('k'),
    ]) {
      expect(await rejection(call())).to.be.instanceOf(ConnectionError);
    }
    expect(await store.getOrSet('k', () => 'made')).to.equal('made');
  });

  it('needs no listener, and survives listeners that throw', async () => {
    const silent = redisStore({ location });
    expect(await silent.get('k')).to.equal(undefined);
    await silent.disconnect();
    const store = openStore({ location });
    store.on('error', () => {
      throw new Error('from a listener');
    });
    expect(await store.get('k')).to.equal(undefined);
    const removed = (): never => expect.fail('was removed');
    store.on('error', removed).off('error', removed);
    expect(await store.get('k')).to.equal(undefined);
  });

  it('makes a miss of bytes that cannot be read, under any policy, and says so', async () => {
    for (const onFailure of ['miss', 'throw'] as const) {
      const store = openStore({ prefix: 'unreadable', onFailure });
      await store.set('good', 1);
      for (const bytes of ['{"cut', '\xff\xfe', 'c1', '\xc1v8\0\x00']) {
        await redis.set('unreadable:bad', Buffer.from(bytes, 'latin1'));
        expect(await store.get('bad')).to.equal(undefined);
        expect(store.errors.at(-1)).to.include({ code: 'ERR_CODEC', operation: 'get', key: 'bad' });
        expect(await store.mget('good', 'bad')).to.deep.equal([1, undefined]);
        expect(store.errors.at(-1)).to.include({ code: 'ERR_CODEC', operation: 'mget', key: 'bad' });
        expect(await store.getOrSet('bad', () => 'made')).to.equal('made');
        expect(await store.getAndDelete('bad')).to.equal('made');
      }
      await store.reset();
    }
  });

  it('makes a value or a miss of any bytes at all that are stored under a key, and never throws', () => {
    const framed = fc
      .tuple(fc.constantFrom('json', 'keyv', 'v8', 'bytes', 'json+gzip', 'v8+brotli', 'nobody'), fc.uint8Array(), fc.boolean())
      .map(([layers, payload, text]) => frame(layers, Buffer.from(payload), text));
    const plain = fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.json()).map((content) => Buffer.from(content as string));
    const store = openStore({ prefix: 'any', onFailure: 'throw' });
    return fc.assert(
      fc.asyncProperty(fc.oneof(framed, plain), async (bytes) => {
        await redis.set('any:k', bytes);
        const value = await store.get('k');
        // A miss is told of; a value is the same by every way to it.
        if (value === undefined) expect(store.errors.splice(0)).to.have.lengthOf(1);
        expect(await store.mget('k')).to.deep.equal([value]);
        store.errors.splice(0);
      }),
      { numRuns: 300 },
    );
  });

  it('says what Redis refused, with its words as the cause', async () => {
    const store = openStore({ prefix: 'wrong' });
    await redis.lPush('wrong:list', 'x');
    expect(await store.get('list')).to.equal(undefined);
    expect(store.errors[0]).to.include({ code: 'ERR_COMMAND', operation: 'get', key: 'list' });
    expect(store.errors[0]?.message).to.match(/WRONGTYPE/);
    expect(store.errors[0]?.cause)
      .to.have.property('message')
      .that.matches(/^WRONGTYPE/);
    await store.set('text', 'x');
    expect(await rejection(store.incr('text'))).to.include({ code: 'ERR_COMMAND', operation: 'incr', key: 'text' });
    await store.reset();
  });

  it('stores the other entries where one of many cannot be written', async () => {
    const store = openStore();
    await store.mset({ a: 1, big: 10n, b: 2 });
    expect(await store.mget('a', 'big', 'b')).to.deep.equal([1, undefined, 2]);
    expect(store.errors.map(({ code, operation, key }) => ({ code, operation, key }))).to.deep.equal([
      { code: 'ERR_CODEC', operation: 'mset', key: 'big' },
    ]);
  });

  it('leaves no rejection unhandled beyond those that the caller is given, with the breaker closed and open', async () => {
    for (const breaker of [false, {}] as const) {
      let settled: PromiseSettledResult<unknown>[] = [];
      const left = await unhandled(async () => {
        const store = openStore({ location, breaker, timeout: 200 });
        const calls = (): Promise<unknown>[] => [
          ...Array.from({ length: 100 }, () => store.get('k')),
          ...[store.mget('k', 'l'), store.has('k'), store.ttl('k'), store.set('k', 1), store.mset({ k: 1, l: 2 })],
          ...[store.getOrSet('k', () => 1), store.getOrSet('l', () => Promise.reject(new Error('source down')), { tags: ['t'] })],
          ...[
            store.del('k'),
            store.mdel('k', 'l'),
            store.clear(),
            store.invalidateTags(['t']),
            store.lock('k'),
            store.ping(),
            store.ready(),
          ],
        ];
        settled = [...(await Promise.allSettled(calls())), ...(await Promise.allSettled(calls()))];
        await store.disconnect();
      });
      expect(left).to.deep.equal([]);
      // Eight of each round: what the caller relies on, and the function that fails.
      expect(settled.filter(({ status }) => status === 'rejected')).to.have.lengthOf(16);
    }
  });
});
