import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { StoreOptions } from '../src/index.js';
import { createKeyv, storeOf } from '../src/keyv.js';
import { closing } from './support/open.js';
import { isCluster, type Setting, usual, usualTopologies } from './support/settings.js';

/** Where a Keyv reaches its entries by other commands, or in another way. */
const telling = /^(TCP|near cache|our own parser|tags|encryption|memory:)$/;

const settings: readonly Setting[] = [...usual.filter(({ title }) => telling.test(title)), ...usualTopologies.filter(isCluster)];
for (const setting of settings)
  describe(`storeOf: ${setting.title}`, () => {
    let options: StoreOptions;
    before(async () => {
      options = await setting.options();
    });
    after(() => setting.after?.());

    it('reads what the Keyv writes, and the reverse, and has the methods of a store', async () => {
      const keyv = closing(createKeyv({ ...options, timeout: 10_000, namespace: (setting.scope ?? '') + randomUUID() }));
      const store = storeOf(keyv);
      await keyv.set('of the Keyv', { n: 1 }, 60_000);
      expect(await store.get('of the Keyv')).to.deep.equal({ n: 1 });
      await store.set('of the store', { n: 2 }, '1m');
      expect(await keyv.get('of the store')).to.deep.equal({ n: 2 });
      expect(await keyv.getMany(['of the Keyv', 'of the store'])).to.deep.equal([{ n: 1 }, { n: 2 }]);
      expect(await store.getOrSet('made', () => 3, { tags: ['t'] })).to.equal(3);
      expect(await keyv.get('made')).to.equal(3);
      await store.invalidateTags(['t']);
      expect(await keyv.get('made')).to.equal(undefined);
      expect(await store.ttl('of the store')).to.be.within(50_000, 60_000);
      expect((await store.keys('of*')).sort()).to.deep.equal(['of the Keyv', 'of the store']);
      await keyv.delete('of the store');
      expect(await store.get('of the store')).to.equal(undefined);
      await store.clear();
      expect(await keyv.get('of the Keyv')).to.equal(undefined);
    });
  });
