import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { openStore } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { secretKey } from '../support/settings.js';
import { until } from '../support/until.js';
import { onOwnServer, type RawClient } from '../support/wire.js';

interface Value {
  readonly list: readonly { readonly n: number }[];
}

/** What can stand in front of a value, with the options of its store. */
const kinds: Record<string, StoreOptions> = {
  tags: {},
  'a generation': { lazyClear: true },
  'tags, encrypted': { encryption: { keys: [{ id: 'a', key: secretKey('a') }] } },
};

describe('`near: { freeze: true }`', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });
  beforeEach(() => redis.flushDb());
  const open = (more: StoreOptions) => openStore({ location: server.location, prefix: 'p', ...more });
  const value = (n: number): Value => ({ list: [{ n }] });

  it('decodes a value of more than 200 000 members for each caller, as to freeze it would take too long', async () => {
    const store = open({ near: { freeze: true } });
    await store.ready();
    for (const [length, isShared] of [
      [1000, true],
      [200_001, false],
    ] as const) {
      await store.set('k', new Array(length).fill(1));
      await until(async () => (await store.get('k')) && store.stats().near.entries > 0);
      const [one, two] = [await store.get<number[]>('k'), await store.get<number[]>('k')];
      expect([one?.length, one === two, Object.isFrozen(one)]).to.deep.equal([length, isShared, isShared]);
    }
  });

  for (const [title, options] of Object.entries(kinds)) {
    it(`shares one value of an entry that carries ${title}, and never once that is invalidated`, async () => {
      const [store, other] = [open({ ...options, near: { freeze: true } }), open(options)];
      const write = (n: number) => other.set('k', value(n), options.lazyClear ? undefined : { tags: ['s', 't'] });
      const invalidate = () => (options.lazyClear ? other.clear({ lazy: true }) : other.invalidateTags(['t']));
      await write(1);
      let first: Value | undefined;
      await until(async () => {
        const before = first;
        first = await store.get<Value>('k');
        return first !== undefined && before === first;
      });
      expect(first).to.deep.equal(value(1));
      expect(Object.isFrozen(first?.list[0])).to.equal(true);
      expect((await store.mget('k', 'none', 'k')).map((each) => each === first)).to.deep.equal([true, false, true]);
      const own = await store.getOrSet('k', () => 'not called');
      expect(own).to.deep.equal(first);
      expect(own, 'a value of the caller’s own').not.to.equal(first);

      // The entry and its decoded value may stay in memory: no caller gets them any more.
      await invalidate();
      await until(async () => (await store.get('k')) === undefined);
      for (let i = 0; i < 20; i++) expect([await store.get('k'), ...(await store.mget('k'))]).to.deep.equal([undefined, undefined]);

      await write(1);
      await until(async () => (await store.get('k')) !== undefined);
      const again = await store.get('k');
      expect(again).to.deep.equal(first);
      expect(again, 'another entry, though it says the same').not.to.equal(first);
      await write(2);
      await until(async () => (await store.get<Value>('k'))?.list[0]?.n === 2);
      expect(await store.get('k')).to.equal((await store.mget('k'))[0]);
      expect(store.errors).to.deep.equal([]);
    });
  }

  it('shares one value of an entry with a stale window while it is fresh, and none when it is stale', async () => {
    const store = open({ near: { freeze: true } });
    for (const tags of [[], ['t']]) {
      await store.getOrSet('k', () => value(1), { ttl: 800, staleFor: 60_000, tags });
      let first: unknown;
      await until(async () => {
        const before = first;
        first = await store.get('k');
        return first !== undefined && before === first;
      });
      expect((await store.mget('k'))[0]).to.equal(first);
      await until(async () => (await store.get('k')) === undefined);
      expect(await store.mget('k')).to.deep.equal([undefined]);
      await store.del('k');
    }
  });

  it('shares nothing of tagged entries that cannot be frozen', async () => {
    const store = open({ near: { freeze: true } });
    await store.set('k', Buffer.from('abc'), { tags: ['t'] });
    await until(async () => (await store.get('k')) !== undefined);
    for (let i = 0; i < 5; i++) {
      const bytes = (await store.get<Buffer>('k')) as Buffer;
      expect(bytes).to.deep.equal(Buffer.from('abc'));
      bytes[0] = 0;
    }
  });
});
