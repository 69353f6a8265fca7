import { expect } from 'chai';
import { openStore, rejection, untilReady } from '../support/open.js';
import type { RedisServer } from '../support/redis.js';
import { onOwnServer } from '../support/wire.js';

describe('invalidateTags of many tags', () => {
  let server: RedisServer;
  onOwnServer((started) => {
    server = started;
  });
  const tags = Array.from({ length: 10_000 }, (_, i) => `t${i}`);

  it('invalidates them all', async () => {
    for (const options of [{}, { near: {} }, { location: 'memory:' }]) {
      const store = openStore({ location: server.location, timeout: 10_000, ...options });
      await store.set('k', 1, { tags: ['t9999'] });
      await store.set('l', 1, { tags: ['other'] });
      await store.invalidateTags(tags);
      expect(await store.mget('k', 'l')).to.deep.equal([undefined, 1]);
    }
  });

  it('has one deadline', async () => {
    const store = openStore({ location: server.location, timeout: 400, breaker: false });
    await untilReady(store);
    server.freeze();
    try {
      const begun = performance.now();
      await rejection(store.invalidateTags(tags));
      expect(performance.now() - begun).to.be.below(2000);
    } finally {
      server.thaw();
    }
  });

  it('is refused for more than 10 000, at once', async () => {
    const store = openStore({ location: server.location });
    const many = Array.from({ length: 100_000 }, (_, i) => `t${i}`);
    const failure = await rejection(store.invalidateTags(many));
    expect(failure.code).to.equal('ERR_ARGUMENT');
    expect(failure.message).to.include('at most 10000 tags').and.have.length.below(200);
  });
});
