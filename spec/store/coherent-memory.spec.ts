import { fork } from 'node:child_process';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCache, KeyvAdapter } from 'cache-manager';
import { caching, multiCaching } from 'cache-manager5';
import { expect } from 'chai';
import * as keyv5 from 'keyv';
import { Keyv } from 'keyv';
import * as keyv4 from 'keyv4';
import * as keyv6 from 'keyv6';
import { type CommandTrace, coherentMemory, type RedisStore } from '../../src/index.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { coherentMemory as coherentKeyv, createKeyv } from '../../src/keyv.js';
import { compiled } from '../support/compiled.js';
import { closing, openStore } from '../support/open.js';
import { random } from '../support/random.js';
import type { RedisServer } from '../support/redis.js';
import { SilentProxy } from '../support/silent-proxy.js';
import { kinds, type Tiers } from '../support/tiers-process.js';
import { until } from '../support/until.js';
import { commandStats, onOwnServer, type RawClient } from '../support/wire.js';

const seed = Number(process.env['NEAR_SEED'] ?? Date.now() % 1_000_000);

describe('coherent memory', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((own, client) => {
    server = own;
    redis = client;
  });
  beforeEach(() => redis.flushDb());

  async function reads(work: () => Promise<unknown>): Promise<number> {
    const count = async (): Promise<number> => {
      const { get = 0, mget = 0, pttl = 0, exists = 0 } = await commandStats(redis);
      return get + mget + pttl + exists;
    };
    const before = await count();
    await work();
    return (await count()) - before;
  }

  const untilKept = (get: (key: string) => Promise<unknown>): Promise<void> =>
    until(async () => (await reads(() => get('no such key'))) === 0);

  for (const [kind, open] of Object.entries(kinds)) {
    describe(`as a tier of ${kind}`, () => {
      let here: Tiers;
      let there: Pick<Tiers, 'get' | 'set' | 'del' | 'close'>;

      beforeEach(async () => {
        const options = { location: server.location, prefix: 'p', timeout: 500 };
        here = await open(options);
        const child = fork(compiled('spec/support/tiers-process.ts'), { execArgv: [] });
        const tell = (call: keyof Tiers, ...args: unknown[]): Promise<unknown> => {
          child.send({ kind, options, call, args });
          return once(child, 'message').then(([{ result }]) => result);
        };
        there = {
          get: (key) => tell('get', key),
          set: (key, value) => tell('set', key, value),
          del: (key) => tell('del', key),
          close: () => tell('close'),
        };
        await untilKept(here.get);
      });
      afterEach(() => Promise.all([here.close(), there.close()]));

      it('answers without a round trip once the tier behind it has read', async () => {
        await here.set('k', { a: [1] });
        expect(await here.get('k')).to.deep.equal({ a: [1] });
        const trips = await reads(async () => {
          for (let i = 0; i < 5; i++) {
            expect(await here.get('k')).to.deep.equal({ a: [1] });
            expect(await here.mget(['k', 'k'])).to.deep.equal([{ a: [1] }, { a: [1] }]);
          }
        });
        expect(trips).to.equal(0);
        const got = (await here.get('k')) as { a: number[] };
        got.a.push(2);
        expect(await here.get('k')).to.deep.equal({ a: [1] });
      });

      it('drops what another process writes and deletes', async () => {
        await here.set('k', 1);
        for (let i = 2; i < 6; i++) {
          expect(await here.get('k')).to.equal(i - 1);
          await there.set('k', i);
          await until(async () => (await here.get('k')) === i);
        }
        await there.del('k');
        await until(async () => ((await here.get('k')) ?? undefined) === undefined);
        expect(await here.wrap('k', async () => 'loaded')).to.equal('loaded');
        expect(await here.wrap('k', async () => 'again')).to.equal('loaded');
        await there.set('k', 'written');
        await until(async () => (await here.wrap('k', async () => 'again')) === 'written');
      });

      it('shows a process its own writes at once', async () => {
        for (let i = 0; i < 50; i++) {
          await here.set('k', i);
          expect(await here.get('k')).to.equal(i);
          if (i % 5 === 0) {
            await here.del('k');
            expect((await here.get('k')) ?? undefined).to.equal(undefined);
          }
        }
        await here.set('k', 'last');
        await here.get('k');
        await here.clear();
        expect((await here.get('k')) ?? undefined).to.equal(undefined);
      });

      it('agrees with Redis when it is quiet, whatever happened before', async () => {
        const next = random(seed);
        const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
        const pick = (): string => keys[Math.floor(next() * keys.length)] as string;
        let over = false;
        const reading = (async () => {
          while (!over) {
            await Promise.all([here.get(pick()), here.mget([pick(), pick()])]);
            await sleep(1);
          }
        })();
        for (let i = 0; i < 150; i++) {
          const who = next() < 0.7 ? there : here;
          // A deletion whose connection is cut rejects.
          await (next() < 0.7 ? who.set(pick(), i) : who.del(pick())).catch(() => {});
          if (i % 50 === 20) await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
        }
        over = true;
        await reading;
        await sleep(500);
        for (const key of keys)
          expect((await here.get(key)) ?? undefined, `${key}, seed ${seed}`).to.equal((await there.get(key)) ?? undefined);
      });
    });
  }

  it('gives nothing that it can no longer know to be true', async () => {
    const proxy = await SilentProxy.start(server.port);
    const store = openStore({ location: proxy.location, prefix: 'p', timeout: 300, near: {} });
    const memory = coherentMemory(store);
    await store.set('k', 1);
    await untilKept((key) => store.get(key));
    await store.get('k');
    expect(await memory.get('k')).to.equal(1);
    proxy.silence();
    await redis.set('p:k', '2');
    // Twice the deadline is how long silence is trusted.
    await sleep(900);
    expect(await memory.get('k')).to.equal(undefined);
    expect(await memory.mget('k')).to.deep.equal([undefined]);
    proxy.stop();
  });

  it('goes by the bounds of `near`, and asks Redis for nothing itself', async () => {
    const store = openStore({ location: server.location, prefix: 'p', near: { max: 2, ttl: 200 } });
    const memory = coherentMemory(store);
    await untilKept((key) => store.get(key));
    await redis.mSet({ 'p:a': '1', 'p:b': '2', 'p:c': '3' });
    expect(await reads(() => memory.mget('a', 'b', 'c'))).to.equal(0);
    await store.mget('a', 'b', 'c');
    expect((await memory.mget('a', 'b', 'c')).filter((value) => value !== undefined)).to.have.length(2);
    await sleep(250);
    expect(await memory.mget('a', 'b', 'c')).to.deep.equal([undefined, undefined, undefined]);
  });

  it('stands in front of a store in cache-manager 7 as well', async () => {
    const store: RedisStore = openStore({ location: server.location, prefix: 'p', near: {} });
    const stores = [coherentMemory(store), store].map((each) => new Keyv({ store: new KeyvAdapter(each as never) }));
    const cache = createCache({ stores });
    await untilKept((key) => cache.get(key));
    await cache.set('k', 'v');
    expect(await cache.get('k')).to.equal('v');
    expect(await reads(() => cache.get('k'))).to.equal(0);
    await redis.flushDb();
    await until(async () => (await cache.get('k')) === undefined);
  });

  for (const [major, keyv] of Object.entries({ 5: keyv5, 6: keyv6 })) {
    it(`reads what its Keyv ${major} writes, whatever serializer and compression are set on that, and when`, async () => {
      // biome-ignore lint/suspicious/noExplicitAny: two majors
      const redis: any = closing(createKeyvOf(keyv as never, { location: server.location, namespace: 'n', near: {} }) as never);
      const memory = coherentKeyv(redis);
      await untilKept((key) => redis.get(key));
      const reverse = (text: string): string => [...text].reverse().join('');
      const stringify = (data: unknown): string => `*${JSON.stringify(data)}`;
      const parse = (text: string): unknown => JSON.parse(text.slice(1));
      const settings: (() => void)[] = [
        () => Object.assign(redis, { compression: { compress: reverse, decompress: reverse } }),
        () => Object.assign(redis, major === '5' ? { serialize: stringify, deserialize: parse } : { serialization: { stringify, parse } }),
        () => Object.assign(redis, { compression: undefined }),
      ];
      for (const [i, set] of settings.entries()) {
        set();
        await redis.set('k', `value ${i}`);
        expect(await redis.get('k')).to.equal(`value ${i}`);
        expect(await memory.get('k')).to.equal(`value ${i}`);
        expect(await memory.get(['k', 'missing'])).to.deep.equal([`value ${i}`, undefined]);
      }
      // Nothing is written to it, so nothing of its own can be meant.
      memory.compression = { compress: reverse, decompress: reverse } as never;
      expect(await memory.get('k')).to.equal('value 2');
    });
  }

  it('leaves it to the tier behind it to count a miss, to tell of it, and to ask Redis', async () => {
    const store = openStore({ location: server.location, prefix: 'p', near: {} });
    const cache = multiCaching([await caching(coherentMemory({ ...store } as unknown as RedisStore)), await caching(store)]);
    await untilKept((key) => store.get(key));
    await store.set('k', 'v');
    const events: string[] = [];
    store.on('hit', ({ key }) => events.push(`hit ${key}`));
    store.on('miss', ({ key }) => events.push(`miss ${key}`));
    const commands: (string | undefined)[] = [];
    const listener = (told: unknown): unknown => commands.push((told as CommandTrace).command);
    store.stats({ reset: true });
    channel('tracing:redis-tier:command:start').subscribe(listener);
    try {
      expect(await cache.get('k')).to.equal('v');
      expect(await cache.get('k')).to.equal('v');
      expect(await cache.get('none')).to.equal(undefined);
      expect(await cache.get('none')).to.equal(undefined);
      expect(await cache.mget('k', 'none')).to.deep.equal(['v', undefined]);
    } finally {
      channel('tracing:redis-tier:command:start').unsubscribe(listener);
    }
    // What the near cache keeps is asked for with its time to live.
    expect(commands.sort()).to.deep.equal(['GET', 'GET', 'PTTL', 'PTTL']);
    // Where the first tier lacks one of the keys, cache-manager 5 asks the second for all of them.
    expect(events).to.deep.equal(['hit k', 'hit k', 'miss none', 'miss none', 'hit k', 'hit k', 'miss none']);
    expect(store.stats()).to.deep.include({ hits: 4, misses: 3, redis: { hits: 1, misses: 1 } });
    expect(store.stats().near).to.include({ hits: 3, misses: 2 });
  });

  it('is made around a Keyv 6 too, and around nothing that keeps nothing', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: another major
    const six: any = createKeyvOf(keyv6 as never, { location: server.location, namespace: 'n', near: {} });
    closing(six);
    // biome-ignore lint/suspicious/noExplicitAny: another major
    const memory: any = coherentKeyv(six);
    await untilKept((key) => six.get(key));
    await six.set('k', { a: 1 });
    expect(await memory.get('k')).to.equal(undefined);
    await six.get('k');
    expect(await memory.get('k')).to.deep.equal({ a: 1 });
    await six.delete('k');
    expect(await memory.get('k')).to.equal(undefined);

    const refused = { code: 'ERR_OPTION' };
    const plain = closing(createKeyv({ location: server.location }));
    const four = closing(createKeyvOf(keyv4 as never, { location: server.location, near: {} }) as Keyv);
    for (const make of [
      () => coherentMemory(openStore()),
      () => coherentKeyv(plain),
      () => coherentKeyv(new Keyv()),
      () => coherentKeyv(four),
    ]) {
      expect(make).to.throw().that.includes(refused);
    }
  });
});
