import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { FactoryTimeoutError, type StoreOptions } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';
import { until } from '../support/until.js';

describe('a getOrSet that something of this process overtakes', () => {
  type Store = ReturnType<typeof openStore>;
  const write: Readonly<Record<string, { act(store: Store): Promise<unknown>; left?: unknown }>> = {
    del: { act: (store) => store.del('k') },
    mdel: { act: (store) => store.mdel('k', 'x') },
    clear: { act: (store) => store.clear() },
    delPattern: { act: (store) => store.delPattern('k*') },
    getAndDelete: { act: (store) => store.getAndDelete('k') },
    set: { act: (store) => store.set('k', 'new'), left: 'new' },
    mset: { act: (store) => store.mset([['k', 'new']]), left: 'new' },
    add: { act: (store) => store.add('k', 'new'), left: 'new' },
    incr: { act: (store) => store.incr('k', 1, { initial: 41 }), left: 42 },
    decr: { act: (store) => store.decr('k', 1, { initial: 43 }), left: 42 },
  };
  const settings: Readonly<Record<string, { options?: StoreOptions; lease: undefined | false }>> = {
    '': { lease: undefined },
    ', without a lease': { lease: false },
    ', of keys that have no leases': { options: { keyPrefix: 'literal:prefix' }, lease: undefined },
  };

  /** A load that has called its function, and what lets that end. */
  async function loading(store: Store, lease: undefined | false) {
    let end!: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const made = store.getOrSet('k', () => ended.then(() => 'old'), { lease });
    await until(() => store.stats().loads === 1);
    return { made, end };
  }

  for (const [suffix, { options, lease }] of Object.entries(settings)) {
    for (const [title, { act, left }] of Object.entries(write)) {
      it(`gives its value and stores nothing after ${title}${suffix}`, async () => {
        const store = openStore(options);
        await store.del('k');
        const { made, end } = await loading(store, lease);
        await act(store);
        end();
        expect(await made).to.equal('old');
        await store.ping();
        expect(await store.get('k')).to.equal(left);
      });
    }
  }

  it('stores its value after a delPattern that does not match its key, without a lease', async () => {
    const store = openStore();
    const { made, end } = await loading(store, false);
    await store.delPattern('x*');
    end();
    await made;
    expect(await store.get('k')).to.equal('old');
  });

  it('leaves nothing under the key that incrVersion has moved its entry away from, without a lease', async () => {
    const store = openStore({ version: 1 });
    const options = { ttl: 20, staleFor: 60_000, lease: false } as const;
    await store.getOrSet('k', () => 'first', options);
    await sleep(60);
    let end!: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    expect(await store.getOrSet('k', () => ended.then(() => 'renewed'), options)).to.equal('first');
    await until(() => store.stats().loads === 2);
    await store.incrVersion('k');
    end();
    await sleep(50);
    expect(await store.has('k')).to.equal(false);
  });

  it('is not joined after a deletion by callers that wait for its renewal', async () => {
    const store = openStore();
    const options = { ttl: 20, staleFor: 60_000, softTimeout: 1000 };
    await store.getOrSet('k', () => 'first', options);
    await sleep(60);
    const renewing = store.getOrSet('k', () => sleep(200, 'old'), options);
    await sleep(50);
    await store.del('k');
    await store.getOrSet('k', () => 'new', options);
    await sleep(60);
    expect(await store.getOrSet('k', () => 'newest', options)).to.equal('newest');
    await renewing;
  });

  it('is shared no more once a caller gave up waiting for it, and is stored all the same', async () => {
    const store = openStore();
    let end = (_value: string): void => {};
    const late = new Promise<string>((resolve) => {
      end = resolve;
    });
    const options = { hardTimeout: 50, lease: false } as const;
    expect(await rejection(store.getOrSet('k', () => late, options))).to.be.instanceOf(FactoryTimeoutError);
    expect(await store.getOrSet('k', () => 'own', { lease: false })).to.equal('own');
    end('late');
    for (let i = 0; i < 100 && (await store.get('k')) !== 'late'; i++) await sleep(10);
    expect(await store.get('k')).to.equal('late');
  });

  it('is shared no longer than others would wait for its lease', async () => {
    const store = openStore();
    void store.getOrSet('k', () => new Promise(() => {}), { lease: 100 });
    await sleep(1050);
    expect(await store.getOrSet('k', () => 'own', { lease: 100 })).to.equal('own');
  });

  it('is given up with the signal of its caller', async () => {
    const store = openStore();
    const aborted = store.with({ signal: AbortSignal.abort() });
    let calls = 0;
    const error = await rejection(aborted.getOrSet('k', () => ++calls));
    expect([(error as { code?: string }).code, calls]).to.deep.equal(['ERR_ABORTED', 0]);
  });
});
