import { expect } from 'chai';
import * as keyv4 from 'keyv4';
import * as keyv6 from 'keyv6';
import { entryHeader, StoredEntry, withHeader } from '../src/codec/entry.js';
import { type StoreOptions, UnsupportedError } from '../src/index.js';
import { createKeyvOf } from '../src/keyv/create-keyv.js';
import { createKeyv, KeyvRedisStore } from '../src/keyv.js';
import { sharedServer } from './support/hooks.js';
import { closing, openStore, rejection } from './support/open.js';
import { secrets } from './support/settings.js';
import { type RawClient, rawClient } from './support/wire.js';

const [k1, k2] = Object.entries(secrets).map(([id, key]) => ({ id, key })) as [Key, Key];
type Key = NonNullable<StoreOptions['encryption']>['keys'][number];

/** Runs it to its end. */
async function last<T>(progress: AsyncIterable<T>): Promise<T | undefined> {
  let end: T | undefined;
  for await (const each of progress) end = each;
  return end;
}

describe('a store with encryption', () => {
  let redis: RawClient;
  let prefix: string;
  let next = 0;
  before(async () => {
    redis = await rawClient(sharedServer());
  });
  after(() => redis.destroy());
  beforeEach(() => {
    prefix = `encryption-${process.pid}-${next++}`;
  });
  const open = (keys: readonly Key[], more: StoreOptions & { acceptPlaintext?: boolean } = {}) => {
    const { acceptPlaintext, ...options } = more;
    return openStore({ prefix, encryption: { keys, acceptPlaintext }, ttl: 60_000, ...options });
  };

  it('rotates its key without a miss, step by step, while two processes are a step apart', async () => {
    const [before, known, turned, after] = [open([k1]), open([k1, k2]), open([k2, k1]), open([k2])] as const;
    await before.mset(Array.from({ length: 120 }, (_, i) => [`old:${i}`, { i }] as const));
    for (const [one, other] of [
      [before, known],
      [known, turned],
    ] as const) {
      await one.set('from one', 1);
      await other.set('from other', 2);
      expect(await one.mget('from one', 'from other', 'old:7')).to.deep.equal([1, 2, { i: 7 }]);
      expect(await other.mget('from one', 'from other', 'old:7')).to.deep.equal([1, 2, { i: 7 }]);
    }
    const keys = await turned.keys();
    const left = await turned.ttl('old:7');
    // `from other` is under the new key already.
    const whole = { scanned: keys.length, rewritten: keys.length - 1, unreadable: 0, left: 0, cursor: '0' };
    expect(await last(turned.reencode())).to.deep.equal(whole);
    expect(await last(turned.reencode()), 'a second time').to.include({ rewritten: 0, unreadable: 0 });
    expect(await turned.ttl('old:7')).to.be.within(1, left);
    expect((await after.mget(...keys)).filter((value) => value === undefined)).to.deep.equal([]);
    expect([before, known, turned, after].flatMap(({ errors }) => errors)).to.deep.equal([]);
    expect(await before.get('old:7')).to.equal(undefined);
  });

  it('makes a miss and an error event of a value that was copied to another key, and of one that was changed', async () => {
    const store = open([k1], { onFailure: 'throw' });
    await store.set('mallory', { admin: true });
    const bytes = (await redis.sendCommand(['GET', `${prefix}:mallory`], { typeMapping: { 36: Buffer } } as never)) as unknown as Buffer;
    await redis.set(`${prefix}:alice`, bytes);
    const changed = Buffer.from(bytes);
    changed[30] = (changed[30] as number) ^ 1;
    await redis.set(`${prefix}:changed`, changed);
    expect(await store.mget('mallory', 'alice', 'changed')).to.deep.equal([{ admin: true }, undefined, undefined]);
    expect(await store.get('alice')).to.equal(undefined);
    expect(await store.getOrSet('changed', () => 'made anew')).to.equal('made anew');
    expect(await store.getAndDelete('alice')).to.equal(undefined);
    expect(store.errors.map(({ code, operation, key }) => `${code} ${operation} ${key}`)).to.deep.equal([
      'ERR_TAMPERED mget alice',
      'ERR_TAMPERED mget changed',
      'ERR_TAMPERED get alice',
      'ERR_TAMPERED getOrSet changed',
      'ERR_TAMPERED getAndDelete alice',
    ]);
  });

  it('counts what does not decrypt as a miss, and serves no entry whose tags or stale window were changed', async () => {
    const store = open([k1], { tags: true, encryption: { keys: [k1], context: 'prod' } });
    const redisKey = `${prefix}:k`;
    const read = async (): Promise<Buffer> =>
      (await redis.sendCommand(['GET', redisKey], { typeMapping: { 36: Buffer } } as never)) as unknown as Buffer;
    await store.set('k', 'tagged', { tags: ['t'] });
    const tagged = StoredEntry.parse(await read());
    await redis.set(redisKey, tagged.payload as Buffer);
    store.stats({ reset: true });
    expect(await store.get('k'), 'without its tags').to.equal(undefined);
    expect(store.stats()).to.include({ hits: 0, misses: 1, bytesRead: 0 });
    await store.getOrSet('k', () => 'aging', { ttl: 30_000, staleFor: 5_000 });
    const aging = StoredEntry.parse(await read());
    const longer = withHeader(entryHeader({ staleFor: 1, cost: aging.cost }, undefined), aging.payload);
    await redis.set(redisKey, longer as Buffer, { PX: 30_000 });
    expect(await store.get('k'), 'with a shorter stale window').to.equal(undefined);
    expect(await open([k1], { encryption: { keys: [k1], context: 'test' } }).get('k'), 'in another context').to.equal(undefined);
    expect(new Set(store.errors.map(({ code }) => code))).to.deep.equal(new Set(['ERR_TAMPERED']));
  });

  it('does not read what is not encrypted, until told to; then reencode encrypts it', async () => {
    const plain = openStore({ prefix });
    await plain.mset({ a: 1, b: { c: 2 }, text: 'x' });
    const strict = open([k1]);
    expect(await strict.mget('a', 'b', 'text')).to.deep.equal([undefined, undefined, undefined]);
    expect(await last(strict.reencode())).to.include({ rewritten: 0, unreadable: 3 });
    const moving = open([k1], { acceptPlaintext: true });
    expect(await moving.mget('a', 'b', 'text')).to.deep.equal([1, { c: 2 }, 'x']);
    expect(await last(moving.reencode())).to.include({ rewritten: 3, unreadable: 0 });
    expect(await strict.mget('a', 'b', 'text')).to.deep.equal([1, { c: 2 }, 'x']);
    expect(await plain.mget('a', 'b', 'text')).to.deep.equal([undefined, undefined, undefined]);
  });

  it('refuses to count and to move an entry to another version, in words, and leaves Redis alone', async () => {
    const store = open([k1], { version: 1 });
    await store.set('n', 5);
    for (const [name, call] of Object.entries({
      incr: () => store.incr('n'),
      decr: () => store.decr('n', 2),
      'incr from initial': () => store.incr('missing', 1, { initial: 0 }),
      incrVersion: () => store.incrVersion('n'),
    })) {
      const error = await rejection(call());
      expect(error, name).to.be.instanceOf(UnsupportedError).and.include({ code: 'ERR_UNSUPPORTED' });
      expect(error.message, name).to.match(/`encryption`/);
    }
    expect(await store.mget('n', 'missing')).to.deep.equal([5, undefined]);
    expect(await store.add('n', 6)).to.equal(false);
    expect(await store.add('m', 6)).to.equal(true);
    expect(await store.get('m')).to.equal(6);
  });

  it('leaves no value readable in Redis, under Keyv neither', async () => {
    const word = 'plainly-visible';
    const encryption = { keys: [k1] };
    const where = { location: sharedServer().location, encryption };
    const store = open([k1], { compression: { algorithm: 'gzip', threshold: 1000 } });
    await store.set('k', { word });
    await store.set('bytes', Buffer.from(word));
    await store.getOrSet('made', () => word);
    await store.add('added', word);
    const keyvs = [
      createKeyvOf(keyv4 as never, { ...where, namespace: prefix }),
      createKeyvOf(keyv6 as never, { ...where, namespace: prefix }),
    ];
    for (const [i, keyv] of [...keyvs, createKeyv({ ...where, namespace: prefix })].entries()) {
      const cache = closing(keyv as ReturnType<typeof createKeyv>);
      await cache.set(`k${i}`, { word }, 60_000);
      expect(await cache.get(`k${i}`)).to.deep.equal({ word });
    }
    const v6 = closing(new KeyvRedisStore({ ...where, namespace: prefix }));
    await v6.set('raw', word);
    await v6.set('object', { value: word });
    expect(await v6.getMany(['raw', 'object'])).to.deep.equal([word, { value: word }]);
    // What Keyv handed over comes back as it was: the integer of a text is no number.
    await v6.set('digits', '42');
    expect(await closing(new KeyvRedisStore({ ...where, namespace: prefix })).get('digits')).to.equal('42');

    const redisKeys = [...(await redis.keys(`${prefix}:*`))];
    expect(redisKeys.length).to.equal(10);
    for (const redisKey of redisKeys) {
      const stored = await redis.get(redisKey);
      expect(stored, redisKey).to.match(/^.aes256gcm\.2:k1\0/s);
      expect(stored, redisKey).not.to.include(word);
    }
    const mover = closing(new KeyvRedisStore({ ...where, namespace: prefix, encryption: { keys: [k2, k1] } }));
    expect(await last(mover.reencode())).to.include({ rewritten: 6, unreadable: 0 });
    expect(await closing(new KeyvRedisStore({ ...where, namespace: prefix, encryption: { keys: [k2] } })).get('raw')).to.equal(word);
    await v6.clear();
    await store.reset();
  });
});
