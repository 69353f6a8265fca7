import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { FactoryContext } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { until } from '../support/until.js';
import { rawClient } from '../support/wire.js';

describe('a refresh that failed', () => {
  it('is tried again by the same process after its cooldown', async () => {
    const redis = await rawClient(sharedServer());
    const prefix = randomUUID();
    const store = openStore({ prefix });
    // Its cooldown is 100 ms.
    const options = { ttl: 60_000, staleFor: 1000 };
    const age = () => redis.pExpire(`${prefix}:k`, 900);
    await store.getOrSet('k', () => 'old', options);
    await age();
    let calls = 0;
    const fail = (): never => {
      calls++;
      throw new Error('no database');
    };
    expect(await store.getOrSet('k', fail, options)).to.equal('old');
    await until(() => store.errors.length > 0);
    expect(calls).to.equal(1);
    let renews: unknown;
    const renew = ({ stale }: FactoryContext): string => {
      renews = stale;
      return 'new';
    };
    await until(async () => {
      await age();
      await store.getOrSet('k', renew, options);
      return renews === 'old';
    }, 3000);
    redis.destroy();
  });
});
