import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore, rejection } from '../support/open.js';

type Bounded = ReturnType<RedisStore['with']>;

const calls: Readonly<Record<string, (store: Bounded) => Promise<unknown>>> = {
  get: (store) => store.get('k'),
  getMany: (store) => cacheOf(store).reader.getMany(['k', 'l']),
  has: (store) => store.has('k'),
  hasMany: (store) => cacheOf(store).reader.hasMany(['k']),
  ttl: (store) => store.ttl('k'),
  set: (store) => cacheOf(store).writer.set('k', 1),
  add: (store) => store.add('k', 1),
  incr: (store) => store.incr('n', 1, { initial: 0 }),
  del: (store) => cacheOf(store).writer.unlinkCounted(['k']),
  deleteMany: (store) => cacheOf(store).writer.unlinkEach(['k']),
  mdel: (store) => cacheOf(store).writer.unlink(['k'], 'mdel'),
  touch: (store) => store.touch('k', 1000),
  persist: (store) => store.persist('k'),
  getAndDelete: (store) => store.getAndDelete('k'),
  getOrSet: (store) => store.getOrSet('k', () => 1),
  keys: (store) => store.keys(),
  delPattern: (store) => store.delPattern('*'),
  clear: (store) => store.clear(),
  invalidateTags: (store) => store.invalidateTags(['t']),
};

describe('a signal given to with()', () => {
  const places: Readonly<Record<string, () => StoreOptions>> = {
    'on Redis': () => ({ location: sharedServer().location }),
    'in memory:': () => ({ location: 'memory:' }),
  };
  for (const [where, options] of Object.entries(places)) {
    it(`that is aborted already rejects every call, and nothing is done, ${where}`, async () => {
      const store = openStore(options());
      await store.set('k', 'there');
      const aborted = store.with({ signal: AbortSignal.abort('enough') });
      for (const [name, call] of Object.entries(calls)) {
        const failure = await rejection(call(aborted));
        expect([failure.code, failure.operation, failure.cause], name).to.deep.equal(['ERR_ABORTED', name, 'enough']);
      }
      expect(await store.get('k')).to.equal('there');
    });

    it(`that is aborted while a value is encoded rejects the call, and nothing is stored, ${where}`, async () => {
      let encoding!: () => void;
      const encoded = new Promise<void>((resolve) => {
        encoding = resolve;
      });
      const serializer = { name: 'slow', stringify: (value: unknown) => encoded.then(() => JSON.stringify(value)), parse: JSON.parse };
      const store = openStore({ ...options(), serializer });
      const caller = new AbortController();
      const writing = cacheOf(store.with({ signal: caller.signal })).writer.set('k', 'new');
      caller.abort();
      expect((await rejection(writing)).code).to.equal('ERR_ABORTED');
      encoding();
      expect(await store.get('k')).to.equal(undefined);
    });
  }
});
