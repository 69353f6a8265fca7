import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
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

describe('a refresh that several callers wait for', () => {
  it('is waited for as long as each of them says, not as long as the first', async () => {
    const redis = await rawClient(sharedServer());
    const prefix = randomUUID();
    const [store, other] = [openStore({ prefix }), openStore({ prefix })];
    const options = { ttl: 60_000, staleFor: 30_000 };
    await store.getOrSet('k', () => 'old', options);
    await redis.pExpire(`${prefix}:k`, 20_000);
    let end: (value: string) => void = () => {};
    const made = new Promise<string>((resolve) => {
      end = resolve;
    });
    const making = other.getOrSet('k', () => made, { ...options, softTimeout: 20_000 });
    await until(() => other.stats().loads === 1);
    expect(await store.getOrSet('k', () => 'own', { ...options, softTimeout: 100 })).to.equal('old');
    // The wait of that call is not over yet.
    const patient = store.getOrSet('k', () => 'own', { ...options, softTimeout: 20_000 });
    await sleep(300);
    end('new');
    expect([await making, await patient]).to.deep.equal(['new', 'new']);
    redis.destroy();
  });
});
