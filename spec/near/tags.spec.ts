import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RoundRobinPool, type StoreOptions } from '../../src/index.js';
import { openStore } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

const settings: Record<string, StoreOptions> = {
  'bytes kept': { near: {} },
  'values frozen': { near: { freeze: true } },
  'lazy clear': { near: { freeze: true }, lazyClear: true },
  'a pool': { near: {}, pool: { class: RoundRobinPool, size: 2 } },
};

describe('tags and the near cache', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  });
  beforeEach(async () => {
    await redis.flushDb();
  });
  const open = (more: StoreOptions) => openStore({ location: server.location, prefix: 'p', ...more });
  /** How many reads reach Redis while this runs. */
  async function reads(work: () => Promise<unknown>): Promise<number> {
    await redis.configResetStat();
    await work();
    const { get = 0, mget = 0 } = await commandStats(redis);
    return get + mget;
  }

  for (const [title, options] of Object.entries(settings)) {
    it(`cost no round trip for what is kept, and are told when a tag is invalidated: ${title}`, async () => {
      const [store, other] = [open(options), open({ lazyClear: options.lazyClear })];
      await other.mset({ a: { n: 1 }, b: { n: 2 } }, { tags: ['s', 't'] });
      const read = async () => [await store.get('a'), ...(await store.mget('a', 'b'))];
      await until(async () => (await reads(read)) === 0);
      for (let i = 0; i < 3; i++) {
        expect(await reads(async () => expect(await read()).to.deep.equal([{ n: 1 }, { n: 1 }, { n: 2 }]))).to.equal(0);
      }
      await other.invalidateTags(['t']);
      await until(async () => (await read()).every((value) => value === undefined));

      await other.mset({ a: { n: 3 }, b: { n: 4 } }, { tags: ['s', 't'] });
      await until(async () => (await read()).every((value) => value !== undefined));
      await until(async () => (await reads(read)) === 0);
      await store.invalidateTags(['s']);
      expect(await read(), 'its own invalidation is seen at once').to.deep.equal([undefined, undefined, undefined]);

      if (!options.lazyClear) return;
      await other.set('a', { n: 5 });
      await until(async () => (await store.get('a')) !== undefined && (await reads(() => store.get('a'))) === 0);
      await other.clear({ lazy: true });
      await until(async () => (await store.get('a')) === undefined);
    });
  }

  it('freeze what has tags as they freeze the rest', async () => {
    const store = open({ near: { freeze: true } });
    await store.set('k', { a: { b: 1 } }, { tags: ['t'] });
    for (let i = 0; i < 5; i++) {
      const value = (await store.get('k')) as { a: object };
      expect(value).to.deep.equal({ a: { b: 1 } });
      if (i > 0) expect(Object.isFrozen(value.a)).to.equal(true);
      await sleep(5);
    }
  });
});
