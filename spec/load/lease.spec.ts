import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { compiled } from '../support/compiled.js';
import { sharedServer } from '../support/hooks.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';
import { type RawClient, rawClient } from '../support/wire.js';

describe('a getOrSet that can have no lease', () => {
  let redis: RawClient;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());

  const stale = { ttl: 60_000, staleFor: 60_000 };
  const obstacles: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
    'a text that never expires': (key) => redis.set(key, 'not a lease'),
    'a text without characters': (key) => redis.set(key, '', { PX: 3_600_000 }),
    'a megabyte': (key) => redis.set(key, 'x'.repeat(2 ** 20), { PX: 3_600_000 }),
    'a list': (key) => redis.lPush(key, 'not a lease'),
    'a hash': (key) => redis.hSet(key, 'x', 'not a lease'),
    'a stream': (key) => redis.xAdd(key, '*', { x: 'not a lease' }),
  };
  const ways: Readonly<Record<string, StoreOptions>> = { '': {}, ' with a near tier': { near: {} } };
  const cases = Object.entries(obstacles).flatMap(([title, put]) =>
    Object.entries(ways).map(([way, options]) => ({ title, put, way, options })),
  );
  for (const { title, put, way, options } of cases) {
    it(`because ${title} stands in its place makes and stores the value, and renews it${way}`, async () => {
      const store = openStore(options);
      const { prefix } = store.source;
      await put(`${prefix}#l:{${prefix}:k}`);
      const begun = performance.now();
      expect(await store.getOrSet('k', () => 'made', stale)).to.equal('made');
      expect(performance.now() - begun).to.be.below(2000);
      expect(await store.get('k')).to.equal('made');
      await redis.pExpire(`${prefix}:k`, 30_000);
      expect(await store.getOrSet('k', () => 'renewed', stale)).to.equal('made');
      await until(async () => (await store.get('k')) === 'renewed');
      expect(await redis.exists(`${prefix}#l:{${prefix}:k}`)).to.equal(1);
      expect(store.errors).to.deep.equal([]);
    });
  }

  it('because a key without an end stands in its place does the same in memory:', async () => {
    const store = openStore({ location: 'memory:', prefix: 'p' });
    await cacheOf(store).context.commands.set('p#l:{p:k}', 'not a lease', undefined);
    expect(await store.getOrSet('k', () => 'made')).to.equal('made');
    expect(await store.get('k')).to.equal('made');
  });

  it('says so once, by a warning', async () => {
    const program = `
      const { RedisStore, redisStore } = require('${compiled('src/index.ts')}');
      process.on('warning', ({ code }) => code?.startsWith('REDIS_TIER') && console.log(code));
      const store = redisStore('memory:', { prefix: 'p' });
      (async () => {
        for (const key of ['k', 'l']) {
          await RedisStore.partsOf(store).cache.context.commands.set('p#l:{p:' + key + '}', 'not a lease', undefined);
          await store.getOrSet(key, () => 'made');
        }
      })();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program]);
    expect(stdout.trim()).to.equal('REDIS_TIER_LEASE');
  });

  const servers: Readonly<Record<string, readonly [args: string[], options: StoreOptions]>> = {
    'the server knows no scripts': [['--rename-command', 'EVALSHA', '', '--rename-command', 'EVAL', ''], {}],
    'its user may run no scripts': [
      ['--user', 'plain', 'on', 'nopass', '~*', '&*', '+@all', '-@scripting'],
      { username: 'plain', password: 'any' },
    ],
  };
  for (const [title, [args, options]] of Object.entries(servers)) {
    it(`because ${title} makes and stores the value`, async () => {
      const server = await RedisServer.start(args);
      const store = openStore({ ...options, location: server.location });
      expect(await store.getOrSet('k', () => 'made')).to.equal('made');
      expect(await store.getOrSet('k', () => 'again')).to.equal('made');
      expect(store.errors).to.deep.equal([]);
      await store.disconnect();
      await server.stop();
    });
  }
});
