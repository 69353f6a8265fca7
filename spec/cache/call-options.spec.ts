import { inspect } from 'node:util';
import { expect } from 'chai';
import { ArgumentError, type RedisStore } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';

type Call = (store: RedisStore, options: never) => unknown;

describe('options of calls', () => {
  const calls: Record<string, Call> = {
    clear: (store, options) => store.clear(options),
    with: (store, options) => store.with(options),
    lock: (store, options) => store.lock('k', options),
    withLock: (store, options) => store.withLock('k', () => 1, options),
    getOrSet: (store, options) => store.getOrSet('new', 1, options),
    reencode: (store, options) => store.reencode(options).next(),
    stats: (store, options) => store.stats(options),
    set: (store, options) => store.set('new', 1, options),
    mset: (store, options) => store.mset([['new', 1]], options),
    add: (store, options) => store.add('new', 1, options),
    incr: (store, options) => store.incr('n', 1, options),
    decr: (store, options) => store.decr('n', 1, options),
  };
  /** Calls in which `null` and a number are a time to live. */
  const takeTtl = ['getOrSet', 'set', 'mset', 'add'];

  /** What the call ends with, whether it throws or rejects. */
  async function refused(call: Call, store: RedisStore, options: unknown): Promise<Error> {
    return rejection<Error>((async () => call(store, options as never))());
  }

  for (const [name, call] of Object.entries(calls)) {
    it(`refuse an unknown name in ${name}, and what is no object, before anything is sent`, async () => {
      const store = openStore({ version: 2 });
      await store.set('k', 'kept');
      await store.set('n', 1);
      const unknown = await refused(call, store, { verison: 1, wibble: 2, gone: undefined });
      expect(unknown).to.be.instanceOf(ArgumentError);
      expect(unknown.message).to.match(/unknown options; (did you mean `version`\? It|it) takes \w+/);
      const wrong = ['text', [], ['a'], new Date(), new Map(), AbortSignal.abort(), true, ...(takeTtl.includes(name) ? [-1] : [null, 5])];
      for (const options of wrong) expect(await refused(call, store, options), inspect(options)).to.be.instanceOf(ArgumentError);
      expect(await store.mget('k', 'n', 'new')).to.deep.equal(['kept', 1, undefined]);
      expect(store.errors.map(({ code }) => code)).to.satisfy((codes: string[]) => codes.every((code) => code === 'ERR_ARGUMENT'));
    });
  }

  it('take an explicit undefined as left out', async () => {
    const store = openStore();
    await store.set('n', 1, { ttl: undefined, tags: undefined });
    await store.mset([['m', 1]], { tags: undefined });
    expect(await store.incr('n', 1, { initial: undefined, ttl: undefined })).to.equal(2);
    expect(await store.getOrSet('n', 5, { ttl: undefined, lease: undefined, wibble: undefined } as never)).to.equal(2);
    expect(await store.with({ timeout: undefined, signal: undefined }).get('n')).to.equal(2);
    await (await store.lock('l', { ttl: undefined, wait: undefined, signal: undefined, renew: undefined })).release();
    expect(store.stats({ reset: undefined }).writes).to.equal(2);
    expect((await store.reencode({ cursor: undefined }).next()).done).to.equal(false);
    await store.clear({ allVersions: undefined, lazy: undefined });
    expect(await store.has('n')).to.equal(false);
  });

  it('refuse wrong kinds of what they know', async () => {
    const store = openStore();
    const wrong: [call: keyof typeof calls, options: object, message: string][] = [
      ['lock', { signal: {} }, 'expected `signal` to be an AbortSignal'],
      ['lock', { renew: 'no' }, 'expected `renew` to be a boolean'],
      ['stats', { reset: 1 }, 'expected `reset` to be a boolean'],
      ['reencode', { cursor: 5 }, 'expected `cursor` to be the `cursor` of an earlier progress'],
      ['reencode', { cursor: 'x' }, 'expected `cursor`'],
      ['incr', { ttl: '5' }, 'expected `ttl`'],
      ['getOrSet', { refreshAhead: { bta: 1 } }, 'refreshAhead: unknown option; did you mean `beta`? It takes beta'],
      ['clear', { lazy: 1 }, 'expected `lazy` to be a boolean'],
      ['clear', { allVersions: 'yes' }, 'expected `allVersions` to be a boolean'],
    ];
    for (const [name, options, message] of wrong) {
      const error = await refused(calls[name] as Call, store, options);
      expect(error, name).to.be.instanceOf(ArgumentError);
      expect(error.message).to.contain(message);
    }
    for (const pattern of [5, {}, null]) {
      expect(await rejection(store.keys(pattern as never))).to.be.instanceOf(ArgumentError);
      expect(await rejection(store.iterate(pattern as never).next())).to.be.instanceOf(ArgumentError);
    }
  });

  it('never widen what clear deletes: a version that is there but makes no sense is refused', async () => {
    const store = openStore({ version: 2 });
    await store.set('k', 'kept');
    for (const version of [undefined, null, -1, 1.5, {}, '', [1], Number.NaN]) {
      const error = await rejection<Error>(store.clear({ version } as never));
      expect(error, String(version)).to.be.instanceOf(ArgumentError);
      expect(error.message).to.match(/^expected `version` to be a string that is not empty or an integer ≥ 0, got/);
    }
    expect(await rejection(store.clear({ version: 1, allVersions: true }))).to.be.instanceOf(ArgumentError);
    expect(await store.get('k')).to.equal('kept');
    await store.clear({ version: 2 });
    expect(await store.get('k')).to.equal(undefined);
  });

  describe('and the entries of mset', () => {
    it('are pairs in an array, a Map or any iterable, or a record', async () => {
      const pairs: [string, unknown][] = [
        ['a', 1],
        ['b', { c: 2 }],
      ];
      function* each(): Generator<[string, unknown]> {
        yield* pairs;
      }
      const bare = Object.assign(Object.create(null), Object.fromEntries(pairs));
      for (const entries of [pairs, new Map(pairs), new Set(pairs), each(), new Map(pairs).entries(), Object.fromEntries(pairs), bare]) {
        const store = openStore();
        await store.mset(entries, 60_000);
        expect(await store.mget('a', 'b')).to.deep.equal([1, { c: 2 }]);
        expect(await store.ttl('a')).to.be.within(50_000, 60_000);
      }
    });

    it('are refused where they are anything else, and nothing is stored', async () => {
      const store = openStore();
      const wrong = [
        'ab',
        5,
        null,
        undefined,
        true,
        ['ab'],
        [['a', 1], 'b'],
        [['a', 1], ['b']],
        [['a', 1, 2]],
        new Date(),
        Buffer.from('ab'),
        Promise.resolve({ a: 1 }),
        () => {},
      ];
      for (const entries of wrong) expect(await rejection(store.mset(entries as never)), inspect(entries)).to.be.instanceOf(ArgumentError);
      expect(await store.keys()).to.deep.equal([]);
    });
  });
});
