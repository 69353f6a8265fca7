import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { FactoryTimeoutError } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';

describe('a getOrSet that something of this process overtakes', () => {
  const overtaking = {
    del: (store: ReturnType<typeof openStore>) => store.del('k'),
    clear: (store: ReturnType<typeof openStore>) => store.clear(),
    set: (store: ReturnType<typeof openStore>) => store.set('k', 'new'),
  };
  for (const [title, overtake] of Object.entries(overtaking)) {
    for (const lease of [undefined, false] as const) {
      it(`gives its value and stores nothing after ${title}${lease === false ? ', without a lease' : ''}`, async () => {
        const store = openStore();
        let begun = (): void => {};
        const running = new Promise<void>((resolve) => {
          begun = resolve;
        });
        const made = store.getOrSet(
          'k',
          async () => {
            begun();
            await sleep(50);
            return 'old';
          },
          { lease },
        );
        await running;
        await overtake(store);
        expect(await made).to.equal('old');
        await store.ping();
        expect(await store.get('k')).to.equal(title === 'set' ? 'new' : undefined);
      });
    }
  }

  it('is not joined after a deletion by who waits for its renewal', async () => {
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
