import { randomUUID } from 'node:crypto';
import { createCache as createCache7 } from 'cache-manager';
import { createCache as createCache6 } from 'cache-manager6';
import { expect } from 'chai';
import type { KeyvModule } from '../../src/keyv/contract.js';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { type CacheError, type KeyvRedisOptions, KeyvRedisStore } from '../../src/keyv.js';
import { majors } from '../contract/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing } from '../support/open.js';
import { random } from '../support/random.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { amount } from '../support/whole.js';
import { type RawClient, rawClient } from '../support/wire.js';

// biome-ignore lint/suspicious/noExplicitAny: the constructors and instances of three majors
type Any = any;

const classOf = (keyv: KeyvModule): Any => keyv.Keyv ?? keyv.default;
const seed = Number(process.env['KEYV_SEED'] ?? Date.now() % 1_000_000);

const operations = amount({ some: 250, all: 1000 });

/** Every way to make a Keyv over Redis that has a namespace. */
function ways(keyv: KeyvModule): Record<string, (namespace: string) => Any> {
  const location = sharedServer().location;
  const Keyv = classOf(keyv);
  const isFive = keyv.KeyvHooks && !keyv.KeyvBridgeAdapter;
  return {
    createKeyv: (namespace) => createKeyvOf(keyv, { location, namespace }),
    'createKeyv(url, options)': (namespace) => createKeyvOf(keyv, `redis://${location}`, { namespace }),
    'new Keyv({ store, namespace })': (namespace) => new Keyv({ store: new KeyvRedisStore({ location }), namespace }),
    'a namespace of the adapter': (namespace) => new Keyv({ store: new KeyvRedisStore(location, { namespace }) }),
    'both namespaces': (namespace) => new Keyv({ store: new KeyvRedisStore(location, { namespace }), namespace }),
    ...(isFive
      ? {
          'new Keyv(adapter)': (namespace) => new Keyv(new KeyvRedisStore(location, { namespace })),
          'without the prefix of Keyv': (namespace) =>
            new Keyv({ store: new KeyvRedisStore({ location, useKeyPrefix: false }), namespace, useKeyPrefix: false }),
          'without the prefix of Keyv, which the adapter is not told': (namespace) =>
            new Keyv({ store: new KeyvRedisStore({ location }), namespace, useKeyPrefix: false }),
          'as Nest does': (namespace) =>
            new Keyv({ store: new KeyvRedisStore(location, { namespace }), ttl: 60_000, namespace: undefined }),
        }
      : {}),
  };
}

describe('the adapter', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  for (const [version, keyv] of Object.entries(majors)) {
    describe(`under Keyv ${version}`, () => {
      it('has keys of one prefix, and gives back the caller’s keys when it iterates, whatever the namespace holds', async () => {
        for (const [title, make] of Object.entries(ways(keyv))) {
          for (const name of ['plain', 'a:b', 'a:b:c:', '::', 'ü']) {
            const namespace = `${randomUUID()}${name}`;
            const it = closing(make(namespace));
            await it.set('k', 1);
            await it.set('x:y', 2, 60_000);
            const found = new Map<string, unknown>();
            for await (const [key, value] of it.iterator(namespace)) found.set(key, value);
            expect(Object.fromEntries(found), `${title}, ${name}`).to.deep.equal({ k: 1, 'x:y': 2 });
            const redisKeys = await redis.keys(`${namespace.slice(0, 36)}*`);
            expect(redisKeys.map((redisKey) => redisKey.slice(-3)).sort(), title).to.deep.equal(['::k', 'x:y'].sort());
            expect(new Set(redisKeys.map((redisKey) => redisKey.split('::').length)).size, title).to.equal(1);
            await it.clear();
            expect(await redis.keys(`${namespace.slice(0, 36)}*`)).to.deep.equal([]);
          }
        }
      });

      it(`answers as a Map each, for two Keyvs and ${operations} random operations, and neither sees the other (seed ${seed})`, async () => {
        for (const [title, make] of Object.entries(ways(keyv))) {
          const next = random(seed);
          const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
          const base = randomUUID();
          const two = [base, `${base}:x`].map((namespace) => ({ it: closing(make(namespace)), map: new Map<string, unknown>() }));
          const keys = ['a', 'b', 'b:c', ':d', 'x', 'ü', 'long '.repeat(20), base];
          const values = [0, '', false, 'text', ':colon', [1, { a: null }], { value: 9, expires: 1 }];
          for (let i = 0; i < operations; i++) {
            const { it, map } = pick(two);
            const key = pick(keys);
            const call = next();
            const where = `${title}, operation ${i}, seed ${seed}`;
            if (call < 0.35) {
              const value = pick(values);
              await it.set(key, value, next() < 0.5 ? 60_000 : undefined);
              map.set(key, value);
            } else if (call < 0.65) expect(await it.get(key), where).to.deep.equal(map.get(key));
            else if (call < 0.75) {
              const some = [key, pick(keys), 'missing'];
              expect(await it.get(some), where).to.deep.equal(some.map((each) => map.get(each)));
            } else if (call < 0.85) {
              expect(await it.delete(key), where).to.equal(map.delete(key));
            } else if (call < 0.95) expect(await it.has(key), where).to.equal(map.has(key));
            else if (call < 0.98) {
              const found = new Map<string, unknown>();
              for await (const [each, value] of it.iterator(undefined)) found.set(each, value);
              expect(Object.fromEntries(found), where).to.deep.equal(Object.fromEntries(map));
            } else {
              await it.clear();
              map.clear();
            }
          }
          for (const { it } of two) await it.clear();
        }
      }).timeout(60_000);

      for (const [title, createCache] of Object.entries({ 6: createCache6, 7: createCache7 })) {
        it(`is right in cache-manager ${title}: wrap calls once and gives equal values, objects with a \`value\` of their own too`, async () => {
          for (const [how, make] of Object.entries(ways(keyv))) {
            const store = closing(make(randomUUID()));
            const cache = (createCache as Any)({ stores: [store], ttl: 60_000 });
            for (const value of [{ value: 999, currency: 'EUR' }, 'text', 0, [1], { expires: 5 }]) {
              let calls = 0;
              const load = async (): Promise<unknown> => {
                calls++;
                return value;
              };
              const key = randomUUID();
              const got = [await cache.wrap(key, load), await cache.wrap(key, load), await cache.wrap(key, load)];
              expect(got, how).to.deep.equal([value, value, value]);
              expect(calls, how).to.equal(1);
              expect(await cache.get(key), how).to.deep.equal(value);
              expect(await cache.ttl(key), how).to.be.closeTo(Date.now() + 60_000, 5000);
            }
            await store.clear();
          }
        });
      }

      it('serves one namespace: a second one is an error at once', async () => {
        const Keyv = classOf(keyv);
        const refused = { code: 'ERR_OPTION' };
        const adapter = closing(new KeyvRedisStore({ location: sharedServer().location }));
        const cats = new Keyv({ store: adapter, namespace: 'cats' });
        expect(() => new Keyv({ store: adapter, namespace: 'dogs' }))
          .to.throw()
          .that.includes(refused);
        await cats.set('1', 'cat one');
        expect(await cats.get('1')).to.equal('cat one');
        await cats.clear();
        // A second Keyv of the same name is the same cache.
        expect(() => new Keyv({ store: adapter, namespace: 'cats' })).not.to.throw();
        const own = closing(new KeyvRedisStore({ location: sharedServer().location, namespace: 'cats' }));
        expect(() => new Keyv({ store: own, namespace: 'dogs' }))
          .to.throw()
          .that.includes(refused);
        const nameless = closing(new KeyvRedisStore({ location: sharedServer().location }));
        new Keyv({ store: nameless });
        expect(() => new Keyv({ store: nameless, namespace: 'dogs' }))
          .to.throw()
          .that.includes(refused);
      });

      it('makes misses of what it cannot read, in iterators too, with an event that quotes nothing', async () => {
        const secret = 's3cret-token';
        for (const [title, make] of Object.entries(ways(keyv))) {
          const namespace = randomUUID();
          const it = closing(make(namespace));
          const errors: CacheError[] = [];
          it.on('error', (error: CacheError) => errors.push(error));
          await it.set('good', 1);
          const bad: Record<string, string | Buffer> = {
            text: secret,
            cut: `{"value":{"card":"${secret}`,
            plain: JSON.stringify(secret),
            number: '42',
            null: 'null',
            empty: '',
            bytes: Buffer.from([0xff, 0, 0xfe]),
          };
          for (const [key, stored] of Object.entries(bad)) await redis.set(`${namespace}::${key}`, stored);
          for (const key of Object.keys(bad)) {
            errors.length = 0;
            expect(await it.get(key), `${title}, ${key}`).to.equal(undefined);
            expect(await it.get([key, 'good']), `${title}, ${key}`).to.deep.equal([undefined, 1]);
            expect(
              errors.map(({ code }) => code),
              `${title}, ${key}`,
            ).to.deep.equal(['ERR_CODEC', 'ERR_CODEC']);
            const told = errors.map((error) => `${error.message} ${(error.cause as Error | undefined)?.message} ${error.stack}`).join();
            expect(told).not.to.include(secret);
          }
          await it.set('brief', 2, 20);
          await until(async () => (await redis.exists(`${namespace}::brief`)) === 0);
          const found: unknown[] = [];
          for await (const entry of it.iterator(undefined)) found.push(entry);
          expect(found, title).to.deep.equal([['good', 1]]);
          await it.clear();
        }
      });
    });
  }

  it('passes on what a Keyv with a serializer of its own has written', async () => {
    for (const keyv of Object.values(majors)) {
      const reverse = (text: string): string => [...text].reverse().join('');
      const functions = {
        stringify: (data: unknown): string => reverse(JSON.stringify(data)),
        parse: (text: string): unknown => JSON.parse(reverse(text)),
      };
      const own = keyv.KeyvBridgeAdapter ? { serialization: functions } : { serialize: functions.stringify, deserialize: functions.parse };
      const namespace = randomUUID();
      const options: KeyvRedisOptions = { location: sharedServer().location };
      const byHand = closing(new (classOf(keyv))({ store: new KeyvRedisStore(options), namespace, ...own }));
      const made = closing(createKeyvOf(keyv, { ...options, namespace, ...own }) as Any);
      await byHand.set('k', { a: 1 });
      expect(await byHand.get('k')).to.deep.equal({ a: 1 });
      expect(await made.get('k')).to.deep.equal({ a: 1 });
      const errors: string[] = [];
      made.on('error', ({ code }: CacheError) => errors.push(code));
      await redis.set(`${namespace}::bad`, 'nothing of the kind');
      expect(await made.get('bad')).to.equal(undefined);
      expect(errors).to.deep.equal(['ERR_CODEC']);
      await made.clear();
    }
  });

  it('gives the value of `wrap` when it cannot be stored, with an event, and what it was to replace is gone', async () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const values: Record<string, unknown> = {
      bigint: { n: 1n },
      cyclic,
      map: new Map(),
      nested: { in: [new Set([1])] },
      promise: { p: Promise.resolve(1) },
    };
    for (const [version, keyv] of Object.entries(majors)) {
      const made = closing(createKeyvOf(keyv, { location: sharedServer().location, namespace: randomUUID() }) as Any);
      const errors: string[] = [];
      made.on('error', ({ code }: CacheError) => errors.push(code));
      const cache = createCache7({ stores: [made] });
      for (const [key, value] of Object.entries(values)) {
        // The serializer of Keyv 6 knows it.
        if (key === 'bigint' && version.startsWith('6')) continue;
        expect(await cache.wrap(key, async () => value)).to.equal(value);
        await made.set(key, 'old');
        // Keyv 4 always says true.
        expect(await made.set(key, value), `${key}, ${version}`).to.equal(version.startsWith('4'));
        expect(await made.get(key), key).to.equal(undefined);
      }
      expect(new Set(errors)).to.deep.equal(new Set(['ERR_CODEC']));
      for (const ttl of [-5, Number.NaN]) {
        expect(
          await cache.wrap(
            `ttl ${ttl}`,
            async () => 'made',
            () => ttl,
          ),
        ).to.equal('made');
      }
      await made.clear();
    }
  });

  it('lets Keyv 6 adapt to it where a Keyv 5 has it already, and tells a Keyv 5 that comes second', async () => {
    const [, five, six] = Object.values(majors) as [KeyvModule, KeyvModule, KeyvModule];
    const location = sharedServer().location;
    const namespace = randomUUID();
    const first = closing(new KeyvRedisStore({ location }));
    const five1 = new (classOf(five))({ store: first, namespace });
    const six1 = new (classOf(six))({ store: first, namespace });
    await six1.set('k', 1, 60_000);
    expect(await five1.get('k')).to.equal(1);
    expect(await redis.pTTL(`${namespace}::k`)).to.be.within(50_000, 60_000);
    await five1.clear();

    const second = closing(new KeyvRedisStore({ location }));
    new (classOf(six))({ store: second, namespace });
    const five2 = new (classOf(five))({ store: second, namespace });
    const errors: CacheError[] = [];
    five2.on('error', (error: CacheError) => errors.push(error));
    await five2.set('k', 1, 60_000);
    expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_ARGUMENT']);
  });

  it('takes part of a key space as @keyvhq/core clears it', async () => {
    const adapter = closing(new KeyvRedisStore({ location: sharedServer().location, namespace: randomUUID() }));
    await adapter.set('one:k', '{"value":1}');
    await adapter.set('two:k', '{"value":2}');
    const found: string[] = [];
    for await (const [key] of adapter.iterator('one')) found.push(key);
    expect(found.sort()).to.deep.equal(['one:k', 'two:k']);
    await adapter.clear('one');
    expect([await adapter.get('one:k'), await adapter.get('two:k')]).to.deep.equal([undefined, '{"value":2}']);
    await adapter.clear();
  });

  it('stores the last of several entries of a batch that have the same key, expired ones among them', async () => {
    const adapter = closing(new KeyvRedisStore(sharedServer().location, { namespace: randomUUID() }));
    // Keyv 6 reads this first.
    expect(adapter.capabilities?.expires).to.equal(true);
    const [past, future] = [Date.now() - 1000, Date.now() + 60_000];
    const entry = (key: string, expires: number) => ({ key, value: '{"value":1}', expires });
    const order = [entry('a', past), entry('a', future), entry('b', future), entry('b', past)];
    expect(await adapter.setMany(order)).to.deep.equal([false, true, true, false]);
    expect(await adapter.getMany(['a', 'b'])).to.deep.equal(['{"value":1}', undefined]);
    expect(await adapter.setMany([entry('c', past), entry('c', future), entry('c', past)])).to.deep.equal([false, true, false]);
    expect(await adapter.setMany([entry('d', future), entry('d', past), entry('d', future)])).to.deep.equal([true, false, true]);
    expect(await adapter.getMany(['c', 'd'])).to.deep.equal([undefined, '{"value":1}']);
    await adapter.clear();
  });

  it('rejects, and does not throw, for wrong arguments', async () => {
    const adapter = closing(new KeyvRedisStore(sharedServer().location, { namespace: randomUUID(), onFailure: 'throw' }));
    expect(adapter.capabilities?.expires).to.equal(true);
    const calls: (() => Promise<unknown>)[] = [
      () => adapter.get(5 as never),
      () => adapter.set(5 as never, 'x'),
      () => adapter.set('k', 'x', 5n as never),
      () => adapter.delete(5 as never),
      () => adapter.has(5 as never),
      () => adapter.getMany(5 as never),
      () => adapter.setMany(5 as never),
      () => adapter.deleteMany(5 as never),
      () => adapter.hasMany(5 as never),
    ];
    for (const call of calls) {
      const outcome = call().then(
        () => 'fulfilled',
        () => 'rejected',
      );
      expect(await outcome, String(call)).to.equal('rejected');
    }
  });

  it('is taken for an adapter by a Keyv 6 after a Keyv 5 has taken it, and is asked nothing for that', () => {
    const adapter = closing(new KeyvRedisStore(sharedServer().location));
    new (classOf(majors['5.6.0'] as KeyvModule))({ store: adapter });
    const { detectKeyvStorage } = majors['6.1.0'] as Any;
    expect([adapter.capabilities, detectKeyvStorage(adapter).store]).to.deep.equal([undefined, 'keyvStorage']);
  });

  it('keeps a clear and ten thousand deletions until Redis is back, and costs next to nothing meanwhile', async () => {
    const server = await RedisServer.start();
    const raw = await rawClient(server);
    const adapter = closing(new KeyvRedisStore({ location: server.location, namespace: 'n', timeout: 300 }));
    const told: string[] = [];
    adapter.on('error', ({ operation = '' }) => told.push(operation));
    const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`);
    await adapter.setMany(keys.map((key) => ({ key, value: '{"value":1}' })));
    server.freeze();
    await adapter.clear();
    expect(await adapter.get('k1')).to.equal(undefined);
    expect(told).to.include('clear');
    await Promise.all(keys.map((key) => adapter.delete(key)));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const before = process.cpuUsage();
    const begun = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const { user, system } = process.cpuUsage(before);
    const share = (user + system) / 1000 / (performance.now() - begun);
    server.thaw();
    await until(async () => (await raw.dbSize()) === 0, 10_000);
    await until(async () => {
      await adapter.set('k1', '{"value":2}');
      return (await adapter.get('k1')) === '{"value":2}';
    }, 5000);
    expect(share, 'of a core').to.be.below(0.1);
    raw.destroy();
    await server.stop();
  });
});
