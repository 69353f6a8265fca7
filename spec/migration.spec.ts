import { randomUUID } from 'node:crypto';
import KeyvRedis, { createKeyv as createPeer } from '@keyv/redis';
import { redisStore as redisYet } from 'cache-manager-redis-yet';
import { caching } from 'cache-manager5';
import { expect } from 'chai';
import { Keyv } from 'keyv';
import * as keyv4 from 'keyv4';
import * as keyv6 from 'keyv6';
import { jsonSerializer, plainKeys, redisStore } from '../src/index.js';
import { createKeyvOf } from '../src/keyv/create-keyv.js';
import { createKeyv, KeyvRedisStore } from '../src/keyv.js';
import { anyLayout } from './support/acl.js';
import { closing, openStore } from './support/open.js';
import type { RedisServer } from './support/redis.js';
import { onOwnServer, type RawClient } from './support/wire.js';

describe('migration', () => {
  let server: RedisServer;
  let redis: RawClient;
  // Some of what was written has no prefix.
  onOwnServer((started, client) => {
    server = started;
    redis = client;
  }, anyLayout());

  const values = [0, 1.5, true, '', 'text', ':colon', '::two', ':base64:AAAA', [1, { a: null }], { a: { b: ['ü', '"'] } }];

  describe('from cache-manager-redis-yet', () => {
    it('takes its options object as it is', async () => {
      const prefix = randomUUID();
      const options = {
        socket: { host: '127.0.0.1', port: server.port, connectTimeout: 2000, reconnectStrategy: () => 100 },
        database: 0,
        name: 'from-redis-yet',
        pingInterval: 10_000,
        disableOfflineQueue: false,
        isolationPoolOptions: { min: 1 },
        ttl: 60_000,
        refreshThreshold: 1000,
        isCacheable: (value: unknown) => value !== undefined,
        onBackgroundRefreshError: () => {},
        keyPrefix: prefix,
      };
      const cache = await caching(redisStore, options as never);
      closing(cache.store as unknown as ReturnType<typeof redisStore>);
      await cache.set('k', 1);
      expect(await cache.wrap('k', async () => 2)).to.equal(1);
      expect(await redis.get(`${prefix}:k`)).to.equal('1');
      expect(await redis.pTTL(`${prefix}:k`)).to.be.within(50_000, 60_000);
    });

    for (const [title, ours, theirs] of [
      ['under the same prefix', (p: string) => ({ keyPrefix: p }), (p: string) => ({ keyPrefix: p })],
      ['without a prefix', () => ({ prefix: '' }), () => ({})],
      ['under a prefix with a colon', (p: string) => plainKeys(`${p}:cache`), (p: string) => ({ keyPrefix: `${p}:cache` })],
    ] as const) {
      it(`reads what it wrote and writes what it reads, ${title}`, async () => {
        const prefix = randomUUID();
        const peer = await redisYet({ url: server.adminUrl, database: 7, ...theirs(prefix) });
        for (const serializer of [undefined, jsonSerializer]) {
          const store = openStore({ location: server.location, database: 7, serializer, ...ours(prefix) });
          for (const [i, value] of values.entries()) {
            await peer.set(`theirs:${i}`, value, 60_000);
            expect(await store.get(`theirs:${i}`)).to.deep.equal(value);
            // The colon dialect of @keyv/serialize is nothing redis-yet could read: those are framed, unless plain JSON is asked for.
            if (serializer === undefined && typeof value === 'string' && value.startsWith(':')) continue;
            await store.set(`ours:${i}`, value, 60_000);
            expect(await peer.get(`ours:${i}`)).to.deep.equal(value);
            expect(
              await peer.client.pTTL(
                title === 'without a prefix' ? `ours:${i}` : `${prefix}${title.includes('colon') ? ':cache' : ''}:ours:${i}`,
              ),
            ).to.be.above(0);
          }
        }
        await peer.client.flushDb();
        await peer.client.disconnect();
      });
    }
  });

  it('from cache-manager-redis-yet: `store.client.quit()` closes the connection, and `store.disconnect()` is what to write', async () => {
    const store = openStore({ location: server.location });
    await store.set('k', 1);
    const clients = async (): Promise<number> =>
      String(await redis.sendCommand(['CLIENT', 'LIST']))
        .trim()
        .split('\n').length;
    const before = await clients();
    await store.client?.quit();
    expect(await clients()).to.equal(before - 1);
    // The next call connects anew, where that of redis-yet fails for ever.
    expect(await store.get('k')).to.equal(1);
    await store.disconnect();
    expect(await clients()).to.equal(before - 1);
    expect(await store.get('k')).to.equal(undefined);
  });

  describe('from @keyv/redis', () => {
    const idioms: Record<string, [theirs: () => Keyv, ours: () => Keyv, redisKey: string]> = {
      'new Keyv({ store: new KeyvRedis(url), namespace })': [
        () => new Keyv({ store: new KeyvRedis(server.adminUrl), namespace: 'two' }),
        () => new Keyv({ store: new KeyvRedisStore(server.url, { useKeyPrefix: false }), namespace: 'two' }),
        'two::two:',
      ],
      'new Keyv(new KeyvRedis(url))': [
        () => new Keyv(new KeyvRedis(server.adminUrl)),
        () => new Keyv(new KeyvRedisStore(server.url, { useKeyPrefix: false })),
        'keyv::keyv:',
      ],
      'new KeyvRedis(url, { keyPrefixSeparator })': [
        () => createPeer(server.adminUrl, { namespace: 'users', keyPrefixSeparator: ':' }),
        () => createKeyv(server.url, { namespace: 'users', keyPrefixSeparator: ':' }),
        'users:',
      ],
    };
    for (const [idiom, [theirs, ours, redisKey]] of Object.entries(idioms)) {
      it(`reads and writes the same bytes under the same keys as ${idiom}`, async () => {
        const peer = theirs();
        const keyv = closing(ours());
        for (const [i, value] of values.entries()) {
          await peer.set(`theirs:${i}`, value, 60_000);
          expect(await keyv.get(`theirs:${i}`)).to.deep.equal(value);
          await keyv.set(`ours:${i}`, value, 60_000);
          expect(await peer.get(`ours:${i}`)).to.deep.equal(value);
        }
        const written = new Set(await redis.keys(`${redisKey}*`));
        expect(written.size).to.equal(2 * values.length);
        expect(await redis.get(`${redisKey}ours:9`)).to.match(/^\{"value":\{"a":\{"b":\["ü","\\""\]\}\},"expires":\d+\}$/);
        const found: string[] = [];
        for await (const [key] of keyv.iterator?.(undefined) ?? []) found.push(key);
        expect(found.sort()).to.deep.equal(values.flatMap((_, i) => [`ours:${i}`, `theirs:${i}`]).sort());
        await keyv.clear();
        expect(await redis.keys(`${redisKey}*`)).to.deep.equal([]);
        await peer.disconnect();
      });
    }

    const majors = { '4.5.4': keyv4, '5.6.0': undefined, '6.1.0': keyv6 };
    for (const [version, module] of Object.entries(majors)) {
      it(`reads what createKeyv wrote and writes what it reads, in the same namespace, under Keyv ${version}`, async () => {
        const namespace = randomUUID();
        const peer = createPeer(server.adminUrl, { namespace });
        const options = { location: server.location, namespace };
        const keyv = closing((module ? createKeyvOf(module as never, options) : createKeyv(options)) as ReturnType<typeof createKeyv>);
        for (const [i, value] of values.entries()) {
          // Keyv 4 and 6 have serializers of their own, which do not agree with Keyv 5's on strings that begin with a colon.
          if (typeof value === 'string' && value.startsWith(':') && module) continue;
          await peer.set(`theirs:${i}`, value, 60_000);
          expect(await keyv.get(`theirs:${i}`), `${i}`).to.deep.equal(value);
          await keyv.set(`ours:${i}`, value, 60_000);
          expect(await peer.get(`ours:${i}`), `${i}`).to.deep.equal(value);
        }
        await keyv.set('ours', { a: 1 });
        expect(await redis.get(`${namespace}::ours`)).to.equal(
          '{"value":{"a":1}}'.replace('}}', version === '4.5.4' ? '},"expires":null}' : '}}'),
        );
        await peer.clear();
        expect(await keyv.get('ours')).to.equal(undefined);
        await peer.disconnect();
      });
    }

    it('does so without a namespace where the prefix is empty', async () => {
      const peer = createPeer(`${server.adminUrl}/8`);
      const keyv = closing(createKeyv({ location: `${server.url}/8`, prefix: '', wholeDatabase: true }));
      await peer.set('theirs', { a: 1 });
      expect(await keyv.get('theirs')).to.deep.equal({ a: 1 });
      await keyv.set('ours', { b: 1 });
      expect(await peer.get('ours')).to.deep.equal({ b: 1 });
      await keyv.clear();
      await peer.disconnect();
    });
  });

  it('passes what Keyv has serialized through untouched, and bytes with it', async () => {
    const namespace = randomUUID();
    const adapter = closing(new KeyvRedisStore({ location: server.location, namespace }));
    for (const text of ['{"value":1,"expires":123}', 'not json', '', 'ü🙂\0\n', '\ud800 lone', ':base64:AA==', '42']) {
      await adapter.set('k', text);
      expect(await adapter.get('k')).to.equal(text);
      if (text.isWellFormed()) expect(await redis.get(`${namespace}::k`)).to.equal(text);
    }
    const bytes = Buffer.from([0xff, 0x00, 0xfe, 0xc1, 0xc0]);
    await adapter.set('k', bytes);
    expect(await adapter.get('k')).to.deep.equal(bytes);
    // Bytes that another program stored there are nothing that a Keyv could read.
    const errors: unknown[] = [];
    adapter.on('error', ({ code }) => errors.push(code));
    await redis.set(`${namespace}::foreign`, bytes);
    expect(await adapter.get('foreign')).to.equal(undefined);
    expect(errors).to.deep.equal(['ERR_CODEC']);
    await adapter.set('k', { value: { a: 1 }, expires: 5 });
    expect(await adapter.get('k')).to.deep.equal({ value: { a: 1 }, expires: 5 });
    await adapter.clear();
  });
});
