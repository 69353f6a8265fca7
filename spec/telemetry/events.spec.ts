import { expect } from 'chai';
import { Keyv } from 'keyv';
import type { RedisStore } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing, openStore } from '../support/open.js';
import { freePort } from '../support/redis.js';

const names = ['hit', 'miss', 'set', 'delete'] as const;
type Heard = [name: (typeof names)[number], ...payload: unknown[]];

/** Everything that is told from now on, in order. */
function listen(to: RedisStore | KeyvRedisStore): Heard[] {
  const heard: Heard[] = [];
  for (const name of names) (to as RedisStore).on(name, (payload) => heard.push([name, payload]));
  return heard;
}

describe('events', () => {
  it('tell of each read, with the method and the caller’s key', async () => {
    const store = openStore();
    await store.set('a', 1);
    const heard = listen(store);
    await store.get('a');
    await store.mget('a', 'b');
    await store.getOrSet('a', 2);
    expect(heard).to.deep.equal([
      ['hit', { operation: 'get', key: 'a', tier: 'redis', bytes: 1 }],
      ['hit', { operation: 'mget', key: 'a', tier: 'redis', bytes: 1 }],
      ['miss', { operation: 'mget', key: 'b', tier: 'redis' }],
      ['hit', { operation: 'getOrSet', key: 'a', tier: 'redis', bytes: 1 }],
    ]);
  });

  it('tell of what was stored and deleted, after it was', async () => {
    const store = openStore();
    const heard = listen(store);
    await store.set('a', 1);
    await store.set('refused', undefined);
    await store.mset({ b: 1, c: 1 });
    await store.add('a', 2);
    await store.add('d', 2);
    await store.del('a');
    await store.mdel('b', 'c');
    await store.clear();
    expect(heard).to.deep.equal([
      ['set', { key: 'a' }],
      ['delete', { key: 'refused' }],
      ['set', { key: 'b' }],
      ['set', { key: 'c' }],
      ['set', { key: 'd' }],
      ['delete', { key: 'a' }],
      ['delete', { key: 'b' }],
      ['delete', { key: 'c' }],
      ['delete', { key: 'd' }],
    ]);
  });

  it('tell nothing of what failed but the error', async () => {
    const store = openStore({ location: `127.0.0.1:${await freePort()}` });
    const heard = listen(store);
    await store.get('a');
    await store.set('a', 1);
    await store.mset({ a: 1 });
    await store.del('a').catch(() => {});
    expect(heard).to.deep.equal([]);
    expect(store.errors).not.to.deep.equal([]);
  });

  it('stop where the listener is taken off', async () => {
    const store = openStore();
    const heard: unknown[] = [];
    const listener = (payload: unknown): void => void heard.push(payload);
    store.on('miss', listener);
    await store.get('a');
    store.off('miss', listener);
    await store.get('a');
    expect(heard).to.have.length(1);
  });

  it('name no key where it cannot be told from the one in Redis', async () => {
    const store = openStore({ hashLongKeys: true });
    const heard = listen(store);
    await store.set('x'.repeat(2000), 1);
    expect(heard).to.deep.equal([['set', { key: undefined }]]);
  });

  it('name the keys of the namespace under Keyv', async () => {
    const adapter = closing(new KeyvRedisStore({ location: sharedServer().location }));
    const keyv = new Keyv({ store: adapter, namespace: 'events' });
    const heard = listen(adapter);
    await keyv.set('a', 1, 10_000);
    await keyv.delete('a');
    expect(heard).to.deep.equal([
      ['set', { key: 'a' }],
      ['delete', { key: 'a' }],
    ]);
  });
});
