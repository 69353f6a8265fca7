import { caching } from 'cache-manager5';
import { expect } from 'chai';
import { MissingKeyError, nullStore, redisStore } from '../../src/index.js';
import { rejection } from '../support/open.js';

describe('the null store', () => {
  it('has the same interface and stores nothing', async () => {
    const store = nullStore({ location: 'nowhere:1', ttl: 5 });
    await store.set('k', 1);
    await store.mset({ a: 1 });
    expect(await store.get('k')).to.equal(undefined);
    expect(await store.mget('a', 'k')).to.deep.equal([undefined, undefined]);
    expect(await store.has('k')).to.equal(false);
    expect(await store.ttl('k')).to.equal(-2);
    expect(await store.keys()).to.deep.equal([]);
    expect(await store.add('k', 1)).to.equal(true);
    expect(await store.incr('k', 1, { initial: 5 })).to.equal(6);
    expect(await rejection(store.incr('k'))).to.be.instanceOf(MissingKeyError);
    expect(await store.getOrSet('k', () => 'made')).to.equal('made');
    expect(await store.touch('k', 5)).to.equal(false);
    await store.del('k');
    await store.reset();
    await store.ready();
    await store.ping();
    expect([store.name, store.status]).to.deep.equal(['null', 'ready']);
    await store.disconnect();
    expect(Object.getPrototypeOf(store)).to.equal(Object.getPrototypeOf(redisStore()));
  });

  it('makes wrap call its function every time', async () => {
    const cache = await caching(nullStore);
    let calls = 0;
    for (let i = 0; i < 3; i++) await cache.wrap('k', async () => ++calls);
    expect(calls).to.equal(3);
  });

  it('still refuses options that make no sense', () => {
    expect(() => nullStore({ ttl: -1 })).to.throw('expected `ttl`');
  });
});
