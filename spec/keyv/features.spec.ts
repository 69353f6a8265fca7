import { randomUUID } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import * as keyv5 from 'keyv';
import * as keyv6 from 'keyv6';
import type { KeyvModule } from '../../src/keyv/contract.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { closing } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { commandStats, type RawClient, rawClient } from '../support/wire.js';

// biome-ignore lint/suspicious/noExplicitAny: the instances of two majors
type Any = any;

/** What a Keyv has of its own, which an adapter must not get in the way of. */
describe('what Keyv does itself', () => {
  let server: RedisServer;
  let redis: RawClient;
  before(async () => {
    server = await RedisServer.start();
    redis = await rawClient(server);
  });
  after(async () => {
    redis.destroy();
    await server.stop();
  });

  const open = (keyv: unknown, options: object = {}): Any =>
    closing(createKeyvOf(keyv as KeyvModule, { location: server.location, namespace: randomUUID(), ...options }) as Any);

  /** How often each command was sent meanwhile. */
  async function counted(work: () => Promise<unknown>): Promise<Record<string, number>> {
    await redis.configResetStat();
    await work();
    const { info, config, 'config|resetstat': reset, ...sent } = await commandStats(redis);
    return sent;
  }

  for (const [version, keyv] of Object.entries({ 5: keyv5, 6: keyv6 } as Record<string, Any>)) {
    it(`sends one command for many keys, under Keyv ${version}`, async () => {
      const cache = open(keyv);
      await cache.set('warm', 1);
      const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
      await cache.setMany(keys.map((key) => ({ key, value: key, ttl: 60_000 })));
      expect(await counted(() => cache.getMany(keys))).to.deep.equal({ mget: 1 });
      expect((await cache.getMany(keys)).every((value: unknown, i: number) => value === keys[i])).to.equal(true);
      expect((await cache.hasMany(keys)).every(Boolean)).to.equal(true);
      expect(await counted(() => cache.deleteMany(keys)))
        .to.have.property('unlink')
        .below(version === '5' ? 4 : 103);
      expect((await cache.hasMany(keys)).some(Boolean)).to.equal(false);
    });

    it(`runs its hooks and counts its statistics, under Keyv ${version}`, async () => {
      const cache = open(keyv);
      cache.stats.enabled = true;
      const seen: string[] = [];
      const { KeyvHooks } = keyv;
      const listen = (hook: string): void =>
        (cache.onHook ? cache.onHook.bind(cache) : cache.hooks.addHandler.bind(cache.hooks))(hook, () => void seen.push(hook));
      const hooks = [KeyvHooks.BEFORE_SET ?? KeyvHooks.PRE_SET, KeyvHooks.AFTER_GET ?? KeyvHooks.POST_GET];
      for (const hook of hooks) listen(hook);
      await cache.set('k', 1);
      await cache.get('k');
      await cache.get('missing');
      expect(new Set(seen)).to.deep.equal(new Set(hooks));
      expect(cache.stats).to.include({ hits: 1, misses: 1, sets: 1 });
    });
  }

  it('compresses what an adapter for compression of Keyv 5 compresses', async () => {
    const zip = {
      compress: async (value: unknown) => gzipSync(JSON.stringify(value)).toString('base64'),
      decompress: async (value: unknown) => JSON.parse(gunzipSync(Buffer.from(String(value), 'base64')).toString()),
    };
    const store = new KeyvRedisStore({ location: server.location });
    const cache: Any = closing(new keyv5.Keyv({ store, namespace: 'zipped', compression: zip as never }));
    const value = { text: 'long '.repeat(100) };
    await cache.set('k', value, 60_000);
    expect(await cache.get('k')).to.deep.equal(value);
    expect(String(await redis.get('zipped::k')).length).to.be.below(200);
  });

  it('emits errors, or not, as its option says', async () => {
    const place = { location: '127.0.0.1:1', timeout: 200 };
    for (const emitErrors of [true, false]) {
      const cache: Any = new keyv5.Keyv({ store: new KeyvRedisStore(place), emitErrors } as never);
      const errors: unknown[] = [];
      cache.on('error', (error: unknown) => errors.push(error));
      expect(await cache.get('k')).to.equal(undefined);
      await cache.disconnect();
      expect(errors.length > 0).to.equal(emitErrors);
    }
  });

  it('reads and writes raw entries of Keyv 6', async () => {
    const cache = open(keyv6);
    await cache.set('k', { n: 1 }, 60_000);
    const raw = await cache.getRaw('k');
    expect(raw.value).to.deep.equal({ n: 1 });
    expect(raw.expires).to.be.within(Date.now() + 1000, Date.now() + 60_000);
    await cache.setRaw('copy', raw);
    expect(await cache.get('copy')).to.deep.equal({ n: 1 });
    await cache.setManyRaw([
      { key: 'a', value: { value: 1 } },
      { key: 'b', value: { value: 2 } },
    ]);
    expect((await cache.getManyRaw(['a', 'b', 'missing'])).map((entry: Any) => entry?.value)).to.deep.equal([1, 2, undefined]);
  });
});
