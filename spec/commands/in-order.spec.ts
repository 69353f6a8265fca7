import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { BlockingPool, RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore } from '../support/open.js';

/** Takes longer for large values, so that they would be overtaken. */
const slow = {
  name: 'slow',
  stringify: async (value: unknown) => {
    const text = JSON.stringify(value);
    await sleep(text.length > 100 ? 20 : 1);
    return text;
  },
  parse: JSON.parse,
};
const large = 'x'.repeat(1000);

const settings: Record<string, StoreOptions> = {
  'values that are encoded at once': {},
  'values that take time to encode': { serializer: slow },
  compression: { compression: { algorithm: 'gzip', threshold: 0 } },
  'without batching': { batch: false },
};

describe('order of calls on one key in one process', () => {
  for (const [title, options] of Object.entries(settings)) {
    it(`is that in which they were made: ${title}`, async () => {
      const store = openStore(options);
      for (const warm of [false, true]) {
        if (warm) await store.ready();
        await Promise.all([store.set('k', large), store.set('k', 'last')]);
        expect(await store.get('k')).to.equal('last');
        const [, seen, , gone, there] = await Promise.all([
          store.set('k', large),
          store.get('k'),
          store.del('k'),
          store.get('k'),
          store.has('k'),
        ]);
        expect([seen, gone, there]).to.deep.equal([large, undefined, false]);
        await Promise.all([store.mset({ a: large, b: 1 }, 60_000), store.mset({ a: 1, b: large }, 60_000)]);
        expect(await store.mget('a', 'b')).to.deep.equal([1, large]);
        const [, left, taken] = await Promise.all([store.set('t', large, 60_000), store.ttl('t'), store.getAndDelete('t')]);
        expect(left).to.be.within(50_000, 60_000);
        expect(taken).to.equal(large);
        await Promise.all([store.set('k', large), store.reset()]);
        expect(await store.has('k')).to.equal(false);
      }
    });

    it(`is kept by disconnect(), which waits for what is in flight: ${title}`, async () => {
      const reader = openStore();
      for (const pool of [undefined, { class: BlockingPool, max: 2 }]) {
        for (const warm of [true, false]) {
          const { prefix } = { prefix: `order-${Math.random()}` };
          const store = openStore({ ...options, prefix, ...(pool ? { pool, location: sharedServer().location } : {}) });
          if (warm) await store.ready();
          const writes = Promise.all([store.set('k', large), store.set('l', 1)]);
          const [read] = await Promise.all([store.get('k'), store.disconnect(), writes]);
          if (!pool) expect(read).to.equal(large);
          expect(store.errors).to.deep.equal([]);
          const after = openStore({ ...options, prefix });
          expect(await after.mget('k', 'l')).to.deep.equal([large, 1]);
          await after.reset();
        }
      }
      await reader.disconnect();
    });
  }

  it('is kept by a call that comes between two writes, one of them answered and the other still being encoded', async () => {
    let encode = (): void => {};
    const serializer = {
      name: 'held',
      stringify: async (value: unknown) => {
        if (value === 'second') await new Promise<void>((resolve) => (encode = resolve));
        return JSON.stringify(value);
      },
      parse: JSON.parse,
    };
    const store = openStore({ serializer });
    const [first, second] = [store.set('k', 'first'), store.set('k', 'second')];
    await first;
    const read = store.get('k');
    // Long enough for a read that does not wait for its turn.
    await sleep(20);
    encode();
    expect(await read).to.equal('second');
    await second;
  });

  it('goes on after a value that could not be encoded', async () => {
    const failing = {
      ...slow,
      stringify: async (value: unknown) => (value === 'bad' ? Promise.reject(new Error('no')) : JSON.stringify(value)),
    };
    const store = openStore({ serializer: failing });
    await Promise.all([store.set('k', 'good'), store.set('k', 'bad'), store.get('k')]);
    // It takes the entry with it that it was to replace, in its turn.
    expect(await store.get('k')).to.equal(undefined);
    await Promise.all([store.set('k', 'bad'), store.set('k', 'good')]);
    expect(await store.get('k')).to.equal('good');
    store.errors.pop();
    expect(store.errors.map(({ code, operation }) => `${operation} ${code}`)).to.deep.equal(['set ERR_CODEC']);
  });

  it('is kept by what reads and deletes, on every pool: it borrows one connection, once', async () => {
    let uses = 0;
    class Counting extends RoundRobinPool {
      override use<T>(work: Parameters<typeof RoundRobinPool.prototype.use<T>>[0]): Promise<T> {
        uses++;
        return super.use(work);
      }
    }
    const store = openStore({ pool: { class: Counting, size: 2 }, location: sharedServer().location });
    await store.set('k', 'there');
    uses = 0;
    expect(await store.getAndDelete('k')).to.equal('there');
    expect(await store.getAndDelete('k')).to.equal(undefined);
    expect(uses).to.equal(2);
  });

  it('holds through Keyv', async () => {
    const keyv = closing(createKeyv({ location: sharedServer().location, namespace: 'order' }));
    await Promise.all([keyv.set('k', large), keyv.set('k', 'last')]);
    expect(await keyv.get('k')).to.equal('last');
    await keyv.clear();
  });
});
