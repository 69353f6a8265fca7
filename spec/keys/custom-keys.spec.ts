import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { BreakerState, CacheError, RedisStore, StoreOptions } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';
import { until } from '../support/until.js';

/** Everything the iterable gives. */
async function all<T>(given: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of given) found.push(each);
  return found;
}

/** Where `bad` comes up the function fails, in each of the ways it can. */
const failures: Record<string, () => never> = {
  'throws an error': () => {
    throw new Error('out of order');
  },
  'throws nothing at all': () => {
    throw undefined;
  },
  'gives undefined': () => undefined as never,
  'gives null': () => null as never,
  'gives a number': () => 5 as never,
  'gives a promise': () => Promise.resolve('x') as never,
};

describe('functions in the options', () => {
  function open(options: StoreOptions): RedisStore & { errors: CacheError[]; states: BreakerState[] } {
    const store = openStore(options);
    const states: BreakerState[] = [];
    store.on('breaker', (state) => states.push(state));
    return Object.assign(store, { states });
  }
  const told = (errors: readonly CacheError[]): string[] => errors.map(({ operation, key, code }) => `${operation} ${key} ${code}`);

  for (const [how, fail] of Object.entries(failures)) {
    describe(`a keyFunction that ${how}`, () => {
      const bad = (key: string): boolean => key === 'bad';
      let prefix: string;
      let store: ReturnType<typeof open>;
      beforeEach(() => {
        prefix = randomUUID();
        store = open({ keyFunction: (key) => (bad(key) ? fail() : `${prefix}:${key}`), breaker: { threshold: 2 } });
      });

      it('makes that call fail as the operation does, and sends nothing', async () => {
        await store.set('bad', 1);
        expect(await store.get('bad')).to.equal(undefined);
        expect(await store.has('bad')).to.equal(false);
        expect(await store.ttl('bad')).to.equal(-2);
        expect(await store.mget('bad')).to.deep.equal([undefined]);
        expect(told(store.errors)).to.deep.equal([
          'set bad ERR_OPTION',
          'get bad ERR_OPTION',
          'has bad ERR_OPTION',
          'ttl bad ERR_OPTION',
          'mget undefined ERR_OPTION',
        ]);
        expect(store.errors[0]?.message).to.match(/^the function in the option `keyFunction` failed: /);
        for (const call of [store.del('bad'), store.add('bad', 1), store.touch('bad'), store.incr('bad'), store.getAndDelete('bad')]) {
          expect(await rejection(call)).to.include({ code: 'ERR_OPTION', key: 'bad' });
        }
      });

      it('leaves the function of getOrSet to run, and its value unstored', async () => {
        expect(await store.getOrSet('bad', () => 'made')).to.equal('made');
        expect(told(store.errors)).to.deep.equal(['getOrSet bad ERR_OPTION']);
        const late = store.getOrSet('bad', () => new Promise(() => {}), { hardTimeout: 20 });
        expect(await rejection(late)).to.include({ code: 'ERR_FACTORY_TIMEOUT' });
      });

      it('opens no breaker, and disturbs no other key of the tick', async () => {
        await store.set('good', 1);
        for (let i = 0; i < 10; i++) await store.get('bad');
        expect(store.breaker).to.equal('closed');
        expect(await Promise.all([store.get('good'), store.get('bad'), store.get('other'), store.get('good')])).to.deep.equal([
          1,
          undefined,
          undefined,
          1,
        ]);
        expect(await Promise.allSettled([store.del('good'), store.del('bad')])).to.deep.include({ status: 'fulfilled', value: undefined });
        expect(await store.get('good')).to.equal(undefined);
        expect(store.states).to.deep.equal([]);
      });

      it('is the same with a near tier', async () => {
        const near = open({ keyFunction: (key) => (bad(key) ? fail() : `${prefix}:${key}`), near: {} });
        await near.set('good', 1);
        await until(async () => (await near.get('good')) === 1 && near.stats().near.hits > 0);
        expect(await near.get('bad')).to.equal(undefined);
        expect(await near.get('good')).to.equal(1);
        expect(told(near.errors)).to.deep.equal(['get bad ERR_OPTION']);
      });
    });
  }

  it('rejects what a keyFunction fails on under onFailure: throw', async () => {
    const store = open({ keyFunction: () => undefined as never, onFailure: 'throw' });
    expect(await rejection(store.get('k'))).to.include({ code: 'ERR_OPTION', operation: 'get', key: 'k' });
    expect(await rejection(store.get(5 as never))).to.include({ code: 'ERR_ARGUMENT' });
  });

  for (const [how, fail] of Object.entries(failures).filter(([each]) => each !== 'gives undefined')) {
    it(`ends a scan loud where parseKey ${how}, and deletes nothing it did not understand`, async () => {
      const prefix = randomUUID();
      const keyFunction = (key: string): string => `${prefix}:${key}`;
      const sound = open({ keyFunction });
      await sound.mset({ a: 1, b: 2 });
      const store = open({ keyFunction, parseKey: fail, keyPattern: `${prefix}:*` });
      const scans: Record<string, () => Promise<unknown>> = {
        keys: () => store.keys(),
        iterate: () => all(store.iterate()),
        delPattern: () => store.delPattern('*'),
        clear: () => store.clear(),
        reencode: () => all(store.reencode()),
      };
      for (const [operation, scan] of Object.entries(scans)) {
        const error = await rejection(scan());
        expect(error, operation).to.include({ code: 'ERR_OPTION', operation });
        expect(error.message).to.match(/^the function in the option `parseKey` failed: /);
      }
      expect(told(store.errors)).to.deep.equal(Object.keys(scans).map((operation) => `${operation} undefined ERR_OPTION`));
      expect(await sound.mget('a', 'b')).to.deep.equal([1, 2]);
    });
  }

  it('tells of a write without its key where parseKey throws, and the write is stored', async () => {
    const prefix = randomUUID();
    const parseKey = failures['throws an error'] as () => never;
    const store = open({ keyFunction: (key) => `${prefix}:${key}`, parseKey });
    const events: unknown[] = [];
    store.on('set', ({ key }) => events.push(key));
    store.on('delete', ({ key }) => events.push(key));
    await store.set('k', 1);
    expect(await store.get('k')).to.equal(1);
    await store.del('k');
    expect(events).to.deep.equal([undefined, undefined]);
    expect(store.errors).to.deep.equal([]);
  });

  it('makes a write fail where isCacheable throws, and that write alone', async () => {
    const isCacheable = (value: unknown): boolean => (value === 'bad' ? (failures['throws an error'] as () => never)() : true);
    const store = open({ isCacheable });
    await Promise.all([store.set('a', 'good'), store.set('b', 'bad'), store.mset({ c: 'good', d: 'bad' })]);
    expect(await store.mget('a', 'b', 'c', 'd')).to.deep.equal(['good', undefined, 'good', undefined]);
    expect(await rejection(store.add('e', 'bad'))).to.include({ code: 'ERR_OPTION' });
    expect(await store.getOrSet('f', () => 'bad')).to.equal('bad');
    expect(told(store.errors)).to.deep.equal(['set b ERR_OPTION', 'mset d ERR_OPTION', 'add e ERR_OPTION', 'getOrSet f ERR_OPTION']);
    expect(store.errors[0]?.message).to.equal('the function in the option `isCacheable` failed: out of order');
  });
});
