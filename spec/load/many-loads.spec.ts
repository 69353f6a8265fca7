import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openStore, rejection } from '../support/open.js';

describe('getOrSetMany', () => {
  const named = (keys: readonly string[]) => new Map(keys.map((key) => [key, `made ${key}`]));

  it('calls the function once with the keys that are missing, and answers in the order of the keys', async () => {
    const store = openStore();
    await store.set('b', 'stored');
    const calls: (readonly string[])[] = [];
    const load = async (keys: readonly string[]) => {
      calls.push(keys);
      return named(keys);
    };
    expect(await store.getOrSetMany(['c', 'b', 'a', 'c'], load)).to.deep.equal(['made c', 'stored', 'made a', 'made c']);
    expect(calls).to.deep.equal([['c', 'a']]);
    expect(await store.mget('a', 'b', 'c')).to.deep.equal(['made a', 'stored', 'made c']);
    expect(await store.getOrSetMany(['a', 'b', 'c'], load)).to.deep.equal(['made a', 'stored', 'made c']);
    expect(await store.getOrSetMany([], load)).to.deep.equal([]);
    expect(calls.length).to.equal(1);
  });

  it('takes a Map, a record, or an array in the order of the keys', async () => {
    const store = openStore();
    expect(await store.getOrSetMany(['a1', 'a2'], (keys) => named(keys))).to.deep.equal(['made a1', 'made a2']);
    expect(await store.getOrSetMany(['b1', 'b2'], () => ({ b2: 2, b1: 1 }))).to.deep.equal([1, 2]);
    expect(await store.getOrSetMany(['c1', 'c2'], (keys) => keys.map((key) => key.toUpperCase()))).to.deep.equal(['C1', 'C2']);
    // What is left out has no value, and is not stored.
    expect(await store.getOrSetMany(['d1', 'd2'], () => ({ d1: 1 }))).to.deep.equal([1, undefined]);
    expect(await store.has('d2')).to.equal(false);
  });

  it('fails the keys that fail, and no others', async () => {
    const store = openStore();
    const failure = new Error('no b');
    const results = await store.getOrSetMany(['a', 'b', 'c'], (keys) => keys.map((key) => (key === 'b' ? failure : key)));
    expect(results).to.deep.equal(['a', failure, 'c']);
    expect(await store.mget('a', 'b', 'c')).to.deep.equal(['a', undefined, 'c']);
    const broken = new Error('broken');
    await store.set('d', 'stored');
    expect(await store.getOrSetMany(['d', 'e', 'f'], () => Promise.reject(broken))).to.deep.equal(['stored', broken, broken]);
  });

  it('makes each key once for callers of several processes, which get the values of each other', async () => {
    const prefix = `many-${Math.random()}`;
    const made: string[] = [];
    const load = async (keys: readonly string[]) => {
      made.push(...keys);
      await sleep(50);
      return named(keys);
    };
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const calls = Array.from({ length: 4 }, (_, i) => {
      const own = keys.slice(i * 4, i * 4 + 8);
      return openStore({ prefix })
        .getOrSetMany(own, load)
        .then((values) => expect(values).to.deep.equal(own.map((key) => `made ${key}`)));
    });
    await Promise.all(calls);
    expect(made.sort()).to.deep.equal(keys.sort());
  });

  it('makes here what another process fails to make', async () => {
    const prefix = `many-${Math.random()}`;
    const [one, other] = [openStore({ prefix }), openStore({ prefix })];
    const failing = one.getOrSetMany(['a', 'b'], () => sleep(100).then(() => Promise.reject(new Error('no'))));
    await sleep(30);
    const made = await other.getOrSetMany(['a', 'b', 'c'], (keys) => named(keys));
    expect(made).to.deep.equal(['made a', 'made b', 'made c']);
    expect((await failing).map(String)).to.deep.equal(['Error: no', 'Error: no']);
  });

  it('finds a function that waits for a key of its own call', async () => {
    const store = openStore();
    const results = await store.getOrSetMany(['a', 'b'], async (keys) => {
      await store.getOrSet('b', () => 'never');
      return named(keys);
    });
    expect(results.map((each) => (each as { code?: string }).code)).to.deep.equal(['ERR_UNSUPPORTED', 'ERR_UNSUPPORTED']);
  });

  it('rejects as a whole if its caller gives up, before or while the function runs', async () => {
    const store = openStore();
    for (const options of [{}, { staleFor: 1000 }]) {
      const caller = new AbortController();
      const view = store.with({ signal: caller.signal });
      const load = async (keys: readonly string[]) => {
        caller.abort();
        await sleep(20);
        return named(keys);
      };
      expect(await rejection(view.getOrSetMany(['a', 'b'], load, options))).to.include({ code: 'ERR_ABORTED' });
      expect(await rejection(view.getOrSetMany(['a', 'b'], load, options))).to.include({ code: 'ERR_ABORTED' });
    }
  });

  it('fails a key that waits for itself, and no other', async () => {
    const store = openStore();
    for (const [i, options] of [{}, { staleFor: 1000 }, { fresh: true }].entries()) {
      const key = `outer ${i}`;
      const results = await store.getOrSet<unknown>(key, async () =>
        (await store.getOrSetMany<unknown>([key, `other ${i}`], (keys) => named(keys), options)).map((result) =>
          result instanceof Error ? result.name : result,
        ),
      );
      expect(results, JSON.stringify(options)).to.deep.equal(
        options.fresh ? [`made ${key}`, `made other ${i}`] : ['UnsupportedError', `made other ${i}`],
      );
    }
  });

  it('sends one MGET, and the scripts for all keys together', async () => {
    const store = openStore();
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    await store.getOrSetMany(keys, (missing) => named(missing));
    expect(store.stats()).to.deep.include({ hits: 0, misses: 50, writes: 50, loads: 50 });
  });

  it('refuses wrong arguments', async () => {
    const store = openStore();
    const wrong: readonly unknown[][] = [
      ['a', named],
      [[1], named],
      [Array(1), named],
      [['a'], 'no function'],
      [['a'], named, { tll: 1 }],
      [['a'], () => 7],
      [['a', 'b'], () => [1]],
    ];
    for (const [keys, load, options] of wrong) {
      expect((await rejection(store.getOrSetMany(keys as never, load as never, options as never))).code).to.equal('ERR_ARGUMENT');
    }
  });
});
