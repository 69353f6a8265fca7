import { expect } from 'chai';
import * as keyv5 from 'keyv';
import { type StoreOptions, v8Serializer } from '../../src/index.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { inTurn } from '../../src/time/turns.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore, rejection } from '../support/open.js';
import { unhandled } from '../support/unhandled.js';

const never = (): Promise<never> => new Promise(() => {});
const silent: StoreOptions = {
  serializer: { name: 'silent', serialize: async (value) => JSON.stringify(value), deserialize: never },
  timeout: 300,
};
const value = { a: 1 };

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('decoding that never ends', () => {
  it('is under the deadline of each read: a miss and an error event', async () => {
    const store = openStore(silent);
    await store.mset([
      ['k', value],
      ['l', value],
    ]);
    expect(await store.get('k')).to.equal(undefined);
    expect(await store.mget('k', 'l', 'none')).to.deep.equal([undefined, undefined, undefined]);
    expect(await store.with({ timeout: 100 }).get('k')).to.equal(undefined);
    expect(await store.getOrSet('k', async () => 5)).to.equal(5);
    expect(await store.set('k', value)).to.equal(true);
    expect(await store.getAndDelete('k')).to.equal(undefined);
    expect(store.errors.map(({ code, operation, key }) => [code, operation, key])).to.deep.equal([
      ['ERR_TIMEOUT', 'get', 'k'],
      ['ERR_TIMEOUT', 'mget', 'k'],
      ['ERR_TIMEOUT', 'mget', 'l'],
      ['ERR_TIMEOUT', 'get', 'k'],
      ['ERR_TIMEOUT', 'getOrSet', 'k'],
      ['ERR_TIMEOUT', 'getAndDelete', 'k'],
    ]);
    expect(store.errors[0]?.message).to.equal('the value was not decoded within 300 ms');
  });

  it('rejects with `onFailure: throw`, and getOrSet makes the value', async () => {
    const store = openStore({ ...silent, onFailure: 'throw' });
    await store.set('k', value);
    expect(await rejection(store.get('k'))).to.include({ code: 'ERR_TIMEOUT', operation: 'get', key: 'k' });
    expect(await rejection(store.mget('k'))).to.include({ code: 'ERR_TIMEOUT' });
    expect(await store.getOrSet('k', async () => 5)).to.equal(5);
  });

  it('ends with the signal of the caller', async () => {
    const store = openStore({ ...silent, timeout: 60_000 });
    await store.set('k', value);
    const caller = new AbortController();
    const reads = [store.with({ signal: caller.signal }).get('k'), store.with({ signal: caller.signal }).getOrSet('k', async () => 5)];
    setTimeout(() => caller.abort(), 50);
    for (const read of reads) expect(await rejection(read)).to.include({ code: 'ERR_ABORTED' });
  });

  it('rejects nothing that is not awaited if the signal was aborted before, and reencode does not count what it did not read', async () => {
    const failing = {
      name: 'failing',
      threshold: 0,
      compress: (bytes: Buffer) => bytes,
      decompress: () => new Promise<Buffer>((_, reject) => setTimeout(() => reject(new Error('damaged')), 40)),
    };
    const store = openStore({ compression: failing, near: { max: 10 } });
    await store.set('k', 'x'.repeat(100));
    await store.get('k');
    const seen: unknown[] = [];
    const rejections = await unhandled(async () => {
      expect(await rejection(store.with({ signal: AbortSignal.abort() }).get('k'))).to.include({ code: 'ERR_ABORTED' });
      const caller = new AbortController();
      setTimeout(() => caller.abort(), 10);
      const run = async (): Promise<void> => {
        for await (const progress of store.with({ signal: caller.signal }).reencode()) seen.push(progress);
      };
      expect(await rejection(run())).to.include({ code: 'ERR_ABORTED' });
    });
    expect([rejections, seen]).to.deep.equal([[], []]);
  });

  it('leaves the entry to reencode as unreadable', async () => {
    const store = openStore(silent);
    await store.set('k', value);
    const [progress] = await all(store.reencode());
    expect(progress).to.include({ scanned: 1, unreadable: 1 });
  });

  it('is a miss to a Keyv and its iterator', async () => {
    const made = createKeyvOf(keyv5 as never, {
      location: sharedServer().location,
      namespace: `silent-${Date.now()}`,
      ...silent,
      compression: held,
    });
    const keyv = closing(made as keyv5.Keyv & { iterator(): AsyncGenerator<[string, unknown]> });
    await keyv.set('k', value);
    expect(await keyv.get('k')).to.equal(undefined);
    expect(await all(keyv.iterator())).to.deep.equal([]);
    await keyv.clear();
  });

  /** Decompression of the user's own that never ends. */
  const held = { name: 'held', threshold: 0, compress: (bytes: Buffer) => bytes, decompress: never };
});

describe('encoding that never ends', () => {
  it('is under the deadline of a write', async () => {
    const store = openStore({ ...silent, serializer: { name: 'mute', serialize: never, deserialize: never } });
    expect(await store.set('k', value)).to.equal(false);
    expect(await store.mset([['k', value]])).to.equal(undefined);
    expect(store.errors.map(({ code }) => code)).to.include('ERR_TIMEOUT');
  });
});

describe('decoding that takes long', () => {
  /** Holds the event loop, as JSON.parse of a large text does. */
  const hold = (time: number): void => {
    for (const end = performance.now() + time; performance.now() < end; );
  };

  it('takes turns: others run between two values', async () => {
    let turns = 0;
    const count = (): void => {
      turns++;
      if (turns < 1000) setImmediate(count);
    };
    setImmediate(count);
    const order: number[] = [];
    const work = Array.from({ length: 8 }, (_, i) =>
      inTurn(() => {
        hold(25);
        order.push(i);
        return turns;
      }),
    );
    const seen = await Promise.all(work);
    expect(order).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(seen).size).to.equal(8);
  });

  it('does so for values of one mget and of many gets, which come back right', async () => {
    const heavy = {
      name: 'heavy',
      serialize: (it: unknown) => v8Serializer.serialize(it),
      deserialize(bytes: Buffer) {
        hold(25);
        return v8Serializer.deserialize(bytes);
      },
    };
    const store = openStore({ serializer: heavy, timeout: 20_000 });
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    await store.mset(keys.map((key) => [key, key.padEnd(70_000)] as const));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const values = [await store.mget(...keys), await Promise.all(keys.map((key) => store.get(key)))];
    clearInterval(timer);
    for (const got of values) expect(got).to.deep.equal(keys.map((key) => key.padEnd(70_000)));
    expect(turns).to.be.at.least(15);
  });

  it('takes what values of one call are, not what they might be: all of many small ones are read', async () => {
    const identity = { name: 'identity', compress: (bytes: Buffer) => bytes, decompress: (bytes: Buffer) => bytes };
    for (const algorithm of ['gzip', 'brotli', identity] as const) {
      const store = openStore({ compression: { algorithm, threshold: 0 } });
      const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
      await store.mset(keys.map((key) => [key, { key }] as const));
      expect(await store.mget(...keys)).to.deep.equal(keys.map((key) => ({ key })));
      expect(store.errors).to.deep.equal([]);
    }
  });
});
