import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { rawClient } from '../support/wire.js';

/** How many timers keep the process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

/** More than there are timers of other parts at any time. */
const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);

describe('the bounds of a getOrSet', () => {
  it('leave no timer once a new value has come within softTimeout', async () => {
    const redis = await rawClient(sharedServer());
    const prefix = randomUUID();
    const store = openStore({ prefix });
    const options = { ttl: 60_000, staleFor: 60_000, softTimeout: 60_000 };
    const get = (value: string) => Promise.all(keys.map((key) => store.getOrSet(key, () => value, options)));
    await get('old');
    await Promise.all(keys.map((key) => redis.pExpire(`${prefix}:${key}`, 50_000)));
    redis.destroy();
    const before = timers();
    expect(await get('new')).to.deep.equal(Array(10).fill('new'));
    expect(timers()).to.be.below(before + 10);
  });
});
