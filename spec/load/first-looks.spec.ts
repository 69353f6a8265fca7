import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { FaultProxy } from '../support/chaos/proxy.js';
import { Random } from '../support/chaos/random.js';
import { sharedServer } from '../support/hooks.js';
import { openStore, stopping, untilReady } from '../support/open.js';

describe('The first look of getOrSet', () => {
  async function open() {
    const proxy = stopping(await FaultProxy.start(sharedServer().port, new Random(1)));
    const store = openStore({ location: proxy.location, timeout: 500 });
    await untilReady(store);
    return { proxy, store };
  }

  it('is shared by the calls that begin before it is answered, each of which gets a value of its own', async () => {
    const { proxy, store } = await open();
    await store.set('k', { hits: 1 });
    proxy.become({ kind: 'late', by: 100, jitter: 0 });
    const one = store.getOrSet<{ hits: number }>('k', () => ({ hits: 2 }));
    await sleep(20);
    const other = store.getOrSet<{ hits: number }>('k', () => ({ hits: 3 }));
    await sleep(20);
    expect(store.stats().pending).to.equal(1);
    const [first, second] = await Promise.all([one, other]);
    expect([first, second]).to.deep.equal([{ hits: 1 }, { hits: 1 }]);
    expect(first).to.not.equal(second);
  });

  it('is not shared with calls that begin after a write', async () => {
    const { proxy, store } = await open();
    await store.set('k', 1);
    proxy.become({ kind: 'late', by: 50, jitter: 0 });
    const before = store.getOrSet('k', () => 3);
    await sleep(20);
    void store.set('k', 2);
    const after = store.getOrSet('k', () => 3);
    expect(await Promise.all([before, after])).to.deep.equal([1, 2]);
  });

  it('that fails makes one call of the function for all calls that waited for it', async () => {
    const { proxy, store } = await open();
    let made = 0;
    const make = () => sleep(50, ++made);
    proxy.become({ kind: 'frozen' });
    const calls: Promise<number>[] = [];
    for (let i = 0; i < 5; i++) {
      calls.push(store.getOrSet('k', make));
      await sleep(50);
    }
    expect(await Promise.all(calls)).to.deep.equal([1, 1, 1, 1, 1]);
    proxy.become({ kind: 'open' });
  });

  it('reports an entry that cannot be decoded once', async () => {
    const { store } = await open();
    const raw = openStore({ prefix: store.source.prefix, serializer: { name: 'other', stringify: () => '?', parse: () => 0 } });
    await raw.set('k', 'a value');
    expect(await store.getOrSet('k', () => 'made')).to.equal('made');
    expect(store.errors.map(({ code, operation }) => [code, operation])).to.deep.equal([['ERR_CODEC', 'getOrSet']]);
    expect(store.stats()).to.deep.include({ hits: 0, misses: 1 });
  });
});
