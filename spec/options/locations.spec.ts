import { randomUUID } from 'node:crypto';
import { createClient, createClientPool, createCluster } from '@redis/client';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { nullStore, redisStore } from '../../src/index.js';
import { createKeyv, KeyvRedisStore } from '../../src/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing } from '../support/open.js';
import { type RawClient, rawClient } from '../support/wire.js';

// biome-ignore lint/suspicious/noExplicitAny: wrong arguments are the point
type Any = any;

describe('ways in', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  const makers: Record<string, (...args: Any[]) => Any> = {
    redisStore: (...args) => (redisStore as Any)(...args),
    nullStore: (...args) => (nullStore as Any)(...args),
    createKeyv: (...args) => (createKeyv as Any)(...args),
    KeyvRedisStore: (...args) => new (KeyvRedisStore as Any)(...args),
  };

  it('take a location, options, or a client of node-redis, and options beside it', async () => {
    const { url, location } = sharedServer();
    const client = closing(
      Object.assign(createClient({ url: sharedServer().adminUrl }), { disconnect: async () => client.destroy() }) as Any,
    );
    await client.connect();
    for (const [name, make] of Object.entries(makers)) {
      if (name === 'nullStore') continue;
      const keyed = name === 'redisStore' ? 'prefix' : 'namespace';
      for (const first of [url, location, { location }, { url }, client]) {
        const prefix = randomUUID();
        const it = closing(make(first, { [keyed]: prefix }));
        await it.set('k', '{"value":1}');
        const separator = name === 'redisStore' ? ':' : '::';
        expect(await redis.exists(`${prefix}${separator}k`), `${name}`).to.equal(1);
        await redis.del(`${prefix}${separator}k`);
      }
      closing(make(undefined, { location }));
      closing(make());
    }
  });

  it('take a location that is not set for the default', () => {
    const url: string | undefined = process.env['NO_SUCH_VARIABLE'];
    expect(closing(redisStore(url, { prefix: 'p' })).source).to.include({ prefix: 'p' });
  });

  it('lose nothing of the first argument to an `undefined` in the second', () => {
    for (const make of [makers['redisStore'], makers['createKeyv'], makers['KeyvRedisStore']] as ((...args: Any[]) => Any)[]) {
      const made = closing(make('10.0.0.1:1234', { location: undefined, ttl: undefined }));
      expect(JSON.stringify((made.store ?? made).source)).to.include('10.0.0.1');
    }
  });

  it('take what node-redis calls a cluster or sentinels first, as @keyv/redis does', () => {
    const rootNodes = [{ url: 'redis://127.0.0.1:1' }];
    for (const make of Object.values(makers)) {
      closing(make({ rootNodes }));
      closing(make({ name: 'mymaster', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }));
      closing(make(createCluster({ rootNodes })));
      closing(make(createClientPool({ url: 'redis://127.0.0.1:1' })));
    }
  });

  it('refuse everything else by its name, and never read it as options', () => {
    const ioredis = new Redis({ lazyConnect: true });
    class Config {
      location = 'localhost';
    }
    const old = { sendCommand() {}, connect() {}, isOpen: false, __proto__: { constructor: class Commander {} } };
    const wrong: [unknown, RegExp][] = [
      [null, /null/],
      [5, /`5`/],
      [true, /`true`/],
      [Promise.resolve({}), /a promise: await it first/],
      [ioredis, /an ioredis client/],
      [Object.create(old), /node-redis 4 or earlier/],
      [new Map(), /an instance of Map/],
      [new Config(), /an instance of Config/],
      [[], /an array/],
      [() => {}, /a function/],
      [makers['KeyvRedisStore']?.(), /an instance of KeyvRedisStore/],
    ];
    for (const [name, make] of Object.entries(makers)) {
      for (const [thing, words] of wrong) {
        expect(() => make(thing), name)
          .to.throw(words)
          .that.includes({ code: 'ERR_OPTION' });
        expect(() => make('localhost', thing === null ? 5 : thing), name).to.throw(/the second argument of/);
      }
    }
    ioredis.disconnect();
  });

  it('refuse an option that both arguments give, unless they agree', () => {
    for (const [name, make] of Object.entries(makers)) {
      expect(() => make('localhost', { location: 'example.org' }), name).to.throw(/`location` in both/);
      expect(() => make({ ttl: 5 }, { ttl: 6 }), name).to.throw(/`ttl` in both/);
      closing(make({ location: 'localhost', ttl: 5 }, { ttl: 5 }));
    }
  });
});
