import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { RedisStore, StoreOptions } from '../src/index.js';
import { FaultProxy } from './support/chaos/proxy.js';
import { Random } from './support/chaos/random.js';
import { sharedServer } from './support/hooks.js';
import { cacheOf } from './support/internals.js';
import { timeToSettle } from './support/load.js';
import { openStore, stopping, untilReady } from './support/open.js';
import { sideBySide } from './support/side-by-side.js';

const timeout = 500;
/** What scheduling and timers may take beside it. */
const slack = 150;

describe('an operation of several commands over a slow network', () => {
  const it = sideBySide();
  const startProxy = async () => stopping(await FaultProxy.start(sharedServer().port, new Random(1)));

  const tagged = { tags: ['a', 'b'] };
  const exact: StoreOptions = { tags: () => ['a'] };
  /** Each with what its caller is given when the time is over: a code is that of a rejection. */
  const operations: Readonly<Record<string, readonly [outcome: unknown, (store: RedisStore) => Promise<unknown>, StoreOptions?]>> = {
    'get of a tagged entry': [undefined, (store) => store.get('tagged')],
    'get of an entry with a stale window': [undefined, (store) => store.get('aging')],
    'get under lazyClear': [undefined, (store) => store.get('tagged'), { lazyClear: true }],
    mget: [[undefined, undefined, undefined], (store) => store.mget('tagged', 'aging', 'none')],
    'set with tags': [false, (store) => cacheOf(store).writer.set('new', 1, tagged)],
    'mset with tags': [[false], (store) => cacheOf(store).writer.setMany([['new', 1, tagged]])],
    'a get behind a set with tags': [
      undefined,
      (store) => {
        void cacheOf(store).writer.set('tagged', 2, tagged);
        return store.get('tagged');
      },
    ],
    'add where an entry does not count any more': ['ERR_TIMEOUT', (store) => store.add('outdated', 1, { ttl: 1000, ...tagged }), exact],
    has: [false, (store) => store.has('tagged'), exact],
    hasMany: [[false, false], (store) => cacheOf(store).reader.hasMany(['tagged', 'aging']), exact],
    ttl: [-2, (store) => store.ttl('tagged'), exact],
    touch: ['ERR_TIMEOUT', (store) => store.touch('tagged', 1000), exact],
    getAndDelete: ['ERR_TIMEOUT', (store) => store.getAndDelete('tagged')],
  };
  for (const [title, [expected, operation, options = {}]] of Object.entries(operations)) {
    it(`has one deadline for all of them: ${title}`, async () => {
      const near = openStore(options);
      await near.set('outdated', 0, { tags: ['gone'] });
      await near.invalidateTags(['gone']);
      await near.set('tagged', 1, tagged);
      await near.getOrSet('aging', () => 1, { ttl: 60_000, staleFor: 60_000 });
      const proxy = await startProxy();
      const store = openStore({ location: proxy.location, prefix: near.source.prefix, timeout, ...options });
      await untilReady(store);
      // The first answer is in time, a second is not.
      proxy.become({ kind: 'late', by: 150, jitter: 0 });
      let outcome: unknown;
      const took = await timeToSettle(async () => {
        outcome = await operation(store).catch((error) => error.code);
      });
      expect(took).to.be.below(timeout + slack);
      expect(outcome).to.deep.equal(expected);
      expect(new Set(store.errors.map(({ code }) => code))).to.deep.equal(new Set(['ERR_TIMEOUT']));
    });
  }

  it('sends nothing more once it was told that it failed', async () => {
    const proxy = await startProxy();
    const store = openStore({ location: proxy.location, timeout, batch: false });
    await untilReady(store);
    // Making the tag, and then the set: the second would be late.
    proxy.become({ kind: 'late', by: 300, jitter: 0 });
    expect(await cacheOf(store).writer.set('k', 1, { tags: ['a'] })).to.equal(false);
    expect(store.errors.map(({ code }) => code)).to.deep.equal(['ERR_TIMEOUT']);
    await sleep(1000);
    expect(await openStore({ prefix: store.source.prefix }).get('k')).to.equal(undefined);
  });
});
