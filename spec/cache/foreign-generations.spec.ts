import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('a foreign key in the place of a generation', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  const foreign: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
    'a list': (key) => redis.lPush(key, 'x'),
    'a set': (key) => redis.sAdd(key, 'x'),
    'a hash': (key) => redis.hSet(key, 'x', '1'),
    'a stream': (key) => redis.xAdd(key, '*', { x: '1' }),
    'an empty text': (key) => redis.set(key, ''),
    'a megabyte': (key) => redis.set(key, 'x'.repeat(2 ** 20)),
    'bytes that are no text': (key) => redis.set(key, Buffer.from([0xff, 0, 0xfe])),
    'a text with spaces': (key) => redis.set(key, 'not a generation', { PX: 60_000 }),
  };
  const ways: Readonly<Record<string, StoreOptions>> = {
    'without options': {},
    'with tags': { tags: true },
    'with lazyClear': { lazyClear: true },
    'with a near tier': { near: {}, tags: true },
    'over a direct connection': { parser: 'auto' },
  };
  for (const [title, plant] of Object.entries(foreign)) {
    for (const [way, options] of Object.entries(ways)) {
      it(`such as ${title} stores nothing ${way}, and tells`, async () => {
        const store = openStore(options);
        const key = `${store.source.prefix}#t:${options.lazyClear ? '' : 't'}`;
        const how = options.lazyClear ? 60_000 : { tags: ['t'], ttl: 60_000 };
        await store.set('before', 1, how);
        await redis.del(key);
        await plant(key);
        // The process may believe that it knows the generation.
        expect(await store.get('before')).to.equal(undefined);
        expect(await store.set('k', 1, how)).to.equal(false);
        expect(store.errors.some(({ operation, code }) => operation === 'set' && code === 'ERR_COMMAND')).to.equal(true);
        expect(await store.get('k')).to.equal(undefined);
        expect(await store.getOrSet('l', () => 'made', options.lazyClear ? {} : { tags: ['t'] })).to.equal('made');
        await (options.lazyClear ? store.clear({ lazy: true }) : store.invalidateTags(['t']));
        expect(await store.set('k', 2, how)).to.equal(true);
        expect(await store.get('k')).to.equal(2);
      });
    }
  }

  it('is no generation in this process either', async () => {
    const store = openStore({ location: 'memory:', prefix: 'p', tags: true });
    for (const text of ['', 'not a generation', 'x'.repeat(1000)]) {
      await cacheOf(store).context.commands.set('p#t:t', text, undefined);
      expect(await store.set('k', 1, { tags: ['t'] })).to.equal(false);
      expect(await store.get('k')).to.equal(undefined);
    }
  });
});
