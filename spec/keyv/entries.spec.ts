import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import * as keyv5 from 'keyv';
import { createKeyvOf } from '../../src/keyv/create-keyv.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { sharedServer } from '../support/hooks.js';
import { closing } from '../support/open.js';

describe('the entries of Keyv', () => {
  /** An adapter that a Keyv 6 has taken: it passes times since 1970. */
  function six(): KeyvRedisStore {
    const adapter = closing(new KeyvRedisStore({ location: sharedServer().location, namespace: randomUUID() }));
    expect(adapter.capabilities?.expires).to.equal(true);
    return adapter;
  }

  it('are deleted by a set that has expired already', async () => {
    const adapter = six();
    await adapter.set('k', 'old');
    expect(await adapter.set('k', 'new', Date.now() - 1)).to.equal(false);
    expect(await adapter.get('k')).to.equal(undefined);
  });

  it('stay apart if a key begins like the namespace and the Keyv adds no prefix', async () => {
    const [location, namespace] = [sharedServer().location, randomUUID()];
    const made = createKeyvOf(keyv5, { location, namespace }) as keyv5.Keyv;
    const store = new KeyvRedisStore({ location, namespace: `${namespace}-`, useKeyPrefix: false });
    const byHand = new keyv5.Keyv({ store, namespace: `${namespace}-`, useKeyPrefix: false });
    for (const [keyv, prefix] of [
      [made, namespace],
      [byHand, `${namespace}-`],
    ] as const) {
      closing(keyv);
      await keyv.set('1', 'one');
      await keyv.set(`${prefix}:1`, 'other');
      expect([await keyv.get('1'), await keyv.get(`${prefix}:1`)]).to.deep.equal(['one', 'other']);
      await keyv.clear();
    }
  });
});
