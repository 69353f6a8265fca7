import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../src/index.js';
import { FaultProxy } from './support/chaos/proxy.js';
import { Random } from './support/chaos/random.js';
import { sharedServer } from './support/hooks.js';
import { openStore } from './support/open.js';

const timeout = 500;
/** What scheduling and timers may take beside it. */
const slack = 150;

describe('an operation of several commands over a slow network', () => {
  let proxy: FaultProxy;
  beforeEach(async () => {
    proxy = await FaultProxy.start(sharedServer().port, new Random(1));
  });
  afterEach(() => proxy.stop());

  const tagged = { tags: ['a', 'b'] };
  const exact: StoreOptions = { tags: () => ['a'] };
  const operations: Readonly<Record<string, readonly [(store: RedisStore) => Promise<unknown>, StoreOptions?]>> = {
    'get of a tagged entry': [(store) => store.get('tagged')],
    'get of an entry with a stale window': [(store) => store.get('aging')],
    'get under lazyClear': [(store) => store.get('tagged'), { lazyClear: true }],
    mget: [(store) => store.mget('tagged', 'aging', 'none')],
    'set with tags': [(store) => store.put('new', 1, tagged)],
    'mset with tags': [(store) => store.putMany([['new', 1, tagged]])],
    'a get behind a set with tags': [
      (store) => {
        void store.put('tagged', 2, tagged);
        return store.get('tagged');
      },
    ],
    'add where an entry does not count any more': [(store) => store.add('outdated', 1, { ttl: 1000, ...tagged }), exact],
    has: [(store) => store.has('tagged'), exact],
    hasMany: [(store) => store.hasMany(['tagged', 'aging']), exact],
    ttl: [(store) => store.ttl('tagged'), exact],
    touch: [(store) => store.touch('tagged', 1000), exact],
    getAndDelete: [(store) => store.getAndDelete('tagged')],
  };
  for (const [title, [operation, options = {}]] of Object.entries(operations)) {
    it(`has one deadline for all of them: ${title}`, async () => {
      const near = openStore(options);
      await near.set('outdated', 0, { tags: ['gone'] });
      await near.invalidateTags(['gone']);
      await near.set('tagged', 1, tagged);
      await near.getOrSet('aging', () => 1, { ttl: 60_000, staleFor: 60_000 });
      const store = openStore({ location: proxy.location, prefix: near.source.prefix, timeout, ...options });
      await store.ready();
      // The first answer is in time, a second is not.
      proxy.become({ kind: 'late', by: 240, jitter: 0 });
      const begun = performance.now();
      await operation(store).catch(() => {});
      expect(performance.now() - begun).to.be.below(timeout + slack);
    });
  }

  it('sends nothing more once it was told that it failed', async () => {
    const store = openStore({ location: proxy.location, timeout, batch: false });
    await store.ready();
    // Making the tag, and then the set: the second would be late.
    proxy.become({ kind: 'late', by: 300, jitter: 0 });
    expect(await store.put('k', 1, { tags: ['a'] })).to.equal(false);
    expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_TIMEOUT']);
    await sleep(1000);
    expect(await openStore({ prefix: store.source.prefix }).get('k')).to.equal(undefined);
  });
});
