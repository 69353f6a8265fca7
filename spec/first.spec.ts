import { caching } from 'cache-manager5';
import { expect } from 'chai';
import { redisStore } from '../src/index.js';
describe('first light', () => {
  it('works', async () => {
    const store = redisStore({ location: 'localhost:6399', timeout: 300 });
    store.on('error', (e) => console.log(e.message, e.operation, e.key, e.code));
    const cache = await caching(store);
    await cache.set('a', { b: 1 }, 1000);
    expect(await cache.get('a')).to.deep.equal({ b: 1 });
    expect(await cache.wrap('w', async () => 3)).to.equal(3);
    expect(await store.keys()).to.have.members(['a', 'w']);
    expect(await store.ttl('a')).to.be.within(900, 1000);
    await store.reset();
    expect(await store.keys()).to.deep.equal([]);
    expect(await store.incr('n', 2, { initial: 5 })).to.equal(7);
    await store.disconnect();
  });
});
