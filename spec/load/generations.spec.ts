import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { FactoryContext, StoreOptions } from '../../src/index.js';
import { openStore } from '../support/open.js';

describe('the tags of a value that getOrSet makes', () => {
  /** Two stores on the same entries, as two processes would have them. */
  function two(options: StoreOptions = {}) {
    const prefix = randomUUID();
    return [openStore({ prefix, ...options }), openStore({ prefix, ...options })] as const;
  }

  it('count as of the first setTags that names them: an invalidation between two makes the entry a miss', async () => {
    const [one, other] = two();
    for (const invalidating of [one, other]) {
      const make = async ({ setTags }: FactoryContext): Promise<number> => {
        await setTags(['t']);
        await invalidating.invalidateTags(['t']);
        await setTags(['t', 'u']);
        return 1;
      };
      expect(await one.getOrSet('k', make)).to.equal(1);
      expect(await one.get('k')).to.equal(undefined);
    }
  });

  it('count as of the start of the function if the options name them: setTags does not renew them', async () => {
    const [one, other] = two();
    const make = async ({ setTags }: FactoryContext): Promise<number> => {
      await other.invalidateTags(['t']);
      await setTags(['t']);
      return 1;
    };
    expect(await one.getOrSet('k', make, { tags: ['t'] })).to.equal(1);
    expect(await one.get('k')).to.equal(undefined);
  });

  it('that come from the value do not renew the generation of the store: a lazy clear meanwhile makes the entry a miss', async () => {
    const [one, other] = two({ lazyClear: true, tags: (key) => [`tag of ${key}`] });
    const make = async (): Promise<number> => {
      await other.clear({ lazy: true });
      return 1;
    };
    expect(await one.getOrSet('k', make)).to.equal(1);
    expect(await one.get('k')).to.equal(undefined);
  });
});
