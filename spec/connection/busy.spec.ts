import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { block } from '../support/block.js';
import { openStore } from '../support/open.js';
import { RedisServer } from '../support/redis.js';

const kinds: Record<string, StoreOptions> = { 'node-redis': {}, 'our own parser': { parser: 'auto' } };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

for (const [kind, options] of Object.entries(kinds)) {
  describe(`a busy process: ${kind}`, () => {
    let server: RedisServer;
    before(async () => {
      server = await RedisServer.start();
    });
    after(() => server.stop());

    for (const turns of [0, 1, 2, 3]) {
      it(`connects while it works for longer than a connection may take, ${turns} turns after it began`, async () => {
        const store = openStore({ location: server.location, timeout: 300, ...options });
        const ready = store.ready();
        for (let i = 0; i < turns; i++) await turn();
        block(1500);
        await ready;
        expect(store.errors).to.deep.equal([]);
      });
    }

    it('connects with work between all turns', async () => {
      const store = openStore({ location: server.location, timeout: 300, ...options });
      let isReady = false;
      const ready = store.ready().then(() => {
        isReady = true;
      });
      for (let i = 0; i < 20 && !isReady; i++) {
        block(400);
        await turn();
      }
      await ready;
      expect(store.errors).to.deep.equal([]);
    });

    it('takes no work of its own for a failure of Redis', async () => {
      const store = openStore({ location: server.location, timeout: 300, ...options });
      await store.set('k', 1);
      const { client } = store;
      for (let i = 0; i < 10; i++) {
        const read = store.get('k');
        if (i % 2 === 1) await turn();
        block(400);
        expect(await read).to.equal(1);
      }
      expect([store.errors, store.breaker, store.client === client]).to.deep.equal([[], 'closed', true]);
    });
  });
}
