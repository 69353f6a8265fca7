import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import * as keyv5 from 'keyv';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { ConnectionError, KeyvRedisStore } from '../../src/keyv.js';
import { majors } from '../contract/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore, rejection } from '../support/open.js';
import { freePort, RedisServer } from '../support/redis.js';
import { unhandled } from '../support/unhandled.js';
import { type RawClient, rawClient } from '../support/wire.js';

interface Made {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  clear(): Promise<void>;
  disconnect(): Promise<void>;
}

describe('createKeyv', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  it('stores values as they are with `serialization: false`', async () => {
    const cache: Made = closing(
      createKeyvOf(
        majors['6.1.0'] as never,
        { location: sharedServer().location, namespace: randomUUID(), serialization: false } as never,
      ) as Made,
    );
    await cache.set('k', { a: 1 });
    expect(await cache.get('k')).to.deep.equal({ a: 1 });
  });

  for (const [version, keyv] of Object.entries(majors)) {
    const make = (options: object): Made => closing(createKeyvOf(keyv, { location: sharedServer().location, ...options }) as Made);

    it(`writes one prefix and the default ttl, and no ttl where it is 0: Keyv ${version}`, async () => {
      const namespace = randomUUID();
      const cache = make({ namespace, ttl: 60_000 });
      await cache.set('timed', 1);
      await cache.set('ever', 1, 0);
      expect((await redis.keys(`*${namespace}*`)).sort()).to.deep.equal([`${namespace}::ever`, `${namespace}::timed`]);
      expect(await redis.pTTL(`${namespace}::timed`)).to.be.within(50_000, 60_000);
      expect(await redis.pTTL(`${namespace}::ever`)).to.equal(-1);
      await cache.clear();
    });

    it(`shows isCacheable and a ttl function the value, not Keyv’s envelope: Keyv ${version}`, async () => {
      const namespace = randomUUID();
      const seen: unknown[] = [];
      const cache = make({
        namespace,
        isCacheable: (value: unknown) => {
          seen.push(value);
          return value !== null;
        },
        ttl: (value: { short?: boolean }) => (value.short ? 1000 : 60_000),
      });
      await cache.set('null', null).catch(() => {});
      await cache.set('short', { short: true });
      await cache.set('long', { short: false });
      expect(seen).to.deep.include.members([{ short: true }, { short: false }]);
      expect(await redis.exists(`${namespace}::null`)).to.equal(0);
      expect(await redis.pTTL(`${namespace}::short`)).to.be.within(1, 1000);
      expect(await redis.pTTL(`${namespace}::long`)).to.be.within(50_000, 60_000);
      await cache.clear();
    });

    it(`stands under keyv:: without a namespace, apart from stores: Keyv ${version}`, async () => {
      const cache = make({ database: 11 });
      const store = openStore({ database: 11, prefix: 'cache' });
      await cache.set('k', 1);
      expect(await store.keys()).to.deep.equal([]);
      await store.reset();
      expect(await cache.get('k')).to.equal(1);
      await cache.clear();
      expect(await cache.get('k')).to.equal(undefined);
    });

    it(`answers with misses and needs no listener while Redis is away: Keyv ${version}`, async () => {
      const cache = closing(createKeyvOf(keyv, { location: `127.0.0.1:${await freePort()}` }) as Made);
      expect(await cache.get('k')).to.equal(undefined);
      // Keyv 4 knows only true.
      if (!version.startsWith('4')) expect(await cache.set('k', 1)).to.equal(false);
      expect(await cache.delete('k')).to.equal(false);
      await cache.clear();
    });
  }

  it('reads as a miss what expired on its way here, without a deletion that could fail: Keyv 5', async () => {
    const server = await RedisServer.start();
    const redis = await rawClient(server);
    const cache = closing(createKeyvOf(keyv5, { location: server.location, namespace: 'n' }) as Made);
    await redis.set('n::k', JSON.stringify({ value: 1, expires: Date.now() - 1 }));
    expect(await cache.get('k')).to.equal(undefined);
    expect(await redis.exists('n::k')).to.equal(1);
    redis.destroy();
    await server.stop();
  });

  it('rejects with `onFailure: throw` for a caller that awaits, and leaves only errors of the application unhandled', async () => {
    const location = `127.0.0.1:${await freePort()}`;
    for (const [version, keyv] of Object.entries(majors)) {
      // Keyv 6 answers, and emits.
      if (version.startsWith('6')) continue;
      const cache = closing(createKeyvOf(keyv, { location, namespace: 'n', onFailure: 'throw' }) as Made);
      expect(await rejection(cache.delete('k')), version).to.be.instanceOf(ConnectionError);
      expect(await unhandled(() => void cache.delete('k')), version).to.deep.equal([]);
    }
    const cache = closing(createKeyvOf(keyv5, { location, namespace: 'n', onFailure: 'throw' }) as Made);
    const [error] = await unhandled(() => void cache.set('k', Symbol('no text')));
    expect((error as Error).message).to.equal('symbol cannot be serialized');
  });

  it('has adapters that keep their promises while Redis is away', async () => {
    const location = `127.0.0.1:${await freePort()}`;
    for (const onFailure of ['miss', 'throw'] as const) {
      const adapter = closing(new KeyvRedisStore({ location, namespace: 'n', onFailure }));
      const calls: [unknown, () => Promise<unknown>][] = [
        [undefined, () => adapter.get('k')],
        [[undefined, undefined], () => adapter.getMany(['k', 'l'])],
        [false, () => adapter.set('k', 'v')],
        [[false], () => adapter.setMany([{ key: 'k', value: 'v' }])],
        [false, () => adapter.has('k')],
        [false, () => adapter.delete('k')],
        [false, () => adapter.deleteMany(['k'])],
        [undefined, () => adapter.clear()],
      ];
      for (const [answer, call] of calls) {
        if (onFailure === 'miss') expect(await call()).to.deep.equal(answer);
        else expect(await rejection(call())).to.be.instanceOf(ConnectionError);
      }
    }
  });

  it('tells Keyv what it is', () => {
    const { capabilities, opts } = closing(new KeyvRedisStore({ namespace: 'n', location: 'redis://user:hunter2@localhost' }));
    expect(capabilities).to.include({ expires: true, store: 'keyvStorage', compatible: true });
    expect(JSON.stringify(opts)).not.to.contain('hunter2');
    expect(closing(new KeyvRedisStore()).opts.dialect).to.equal('redis');
  });
});
