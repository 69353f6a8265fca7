import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { openStore, rejection } from '../support/open.js';
import { until } from '../support/until.js';

type Store = ReturnType<typeof openStore>;

describe('a getOrSet whose caller gives up by a signal', () => {
  const settings: Readonly<Record<string, StoreOptions>> = { '': {}, ', with a near cache': { near: {} } };
  for (const [suffix, options] of Object.entries(settings)) {
    async function two(): Promise<[Store, Store]> {
      const one = openStore(options);
      const other = openStore({ ...options, prefix: one.source.prefix });
      await Promise.all([one.ready(), other.ready()]);
      if (options.near) await until(async () => (await other.get('x')) ?? other.stats().near.misses > 0);
      return [one, other];
    }

    it(`is told at once while another process makes the value${suffix}`, async () => {
      const [one, other] = await two();
      let end!: (value: string) => void;
      const made = one.getOrSet('k', () => new Promise<string>((resolve) => (end = resolve)));
      await until(() => one.stats().loads === 1);
      const caller = new AbortController();
      const waiting = other.with({ signal: caller.signal }).getOrSet('k', () => 'own');
      await until(() => other.stats().leaseWaits === 1);
      // It has looked, and pauses.
      await sleep(200);
      const begun = performance.now();
      caller.abort('enough');
      const failure = await rejection(waiting);
      expect(performance.now() - begun).to.be.below(100);
      expect([failure.code, failure.operation, failure.key, failure.cause]).to.deep.equal(['ERR_ABORTED', 'getOrSet', 'k', 'enough']);
      end('made');
      expect(await made).to.equal('made');
      expect(await other.getOrSet('k', () => 'own')).to.equal('made');
      expect(other.errors).to.deep.equal([]);
    });

    it(`is told at once while its own function runs, and the lease is given back when that ends${suffix}`, async () => {
      const [one, other] = await two();
      const caller = new AbortController();
      let end!: (value: string) => void;
      const view = one.with({ signal: caller.signal });
      const all = [1, 2].map(() => view.getOrSet('k', () => new Promise<string>((resolve) => (end = resolve)), { hardTimeout: 60_000 }));
      await until(() => one.stats().loads === 1);
      caller.abort();
      for (const each of all) expect((await rejection(each)).code).to.equal('ERR_ABORTED');
      const next = other.getOrSet('k', () => 'other');
      end('late');
      const begun = performance.now();
      expect(await next).to.equal('other');
      expect(performance.now() - begun).to.be.below(3000);
      // It was not this process that stored.
      expect(await one.get('k')).to.equal('other');
    });

    it(`hears of a function that fails afterwards by an error event only${suffix}`, async () => {
      const [one] = await two();
      const caller = new AbortController();
      let fail!: (error: Error) => void;
      const made = one.with({ signal: caller.signal }).getOrSet('k', () => new Promise((_, reject) => (fail = reject)));
      await until(() => one.stats().loads === 1);
      caller.abort();
      expect((await rejection(made)).code).to.equal('ERR_ABORTED');
      fail(new Error('late'));
      await until(() => one.errors.length > 0);
      expect(one.errors.map(({ code }) => code)).to.deep.equal(['ERR_REFRESH']);
    });
  }

  it('is told at once in memory:, and without calling the function where the signal is aborted already', async () => {
    const store = openStore({ location: 'memory:' });
    const caller = new AbortController();
    let calls = 0;
    const view = store.with({ signal: caller.signal });
    const made = view.getOrSet('k', () => {
      calls++;
      return new Promise(() => {});
    });
    await until(() => calls === 1);
    caller.abort();
    expect((await rejection(made)).code).to.equal('ERR_ABORTED');
    expect((await rejection(view.getOrSet('other', () => ++calls))).code).to.equal('ERR_ABORTED');
    expect(calls).to.equal(1);
  });

  it('may share its signal with many others', async () => {
    const store = openStore();
    const other = openStore({ prefix: store.source.prefix });
    const ends: (() => void)[] = [];
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    const made = keys.map((key) => store.getOrSet(key, () => new Promise<string>((resolve) => ends.push(() => resolve('made')))));
    await until(() => ends.length === keys.length);
    const warnings: Error[] = [];
    const hear = (warning: Error) => warnings.push(warning);
    process.on('warning', hear);
    try {
      const caller = new AbortController();
      const view = other.with({ signal: caller.signal });
      const waiting = keys.map((key) => view.getOrSet(key, () => 'own'));
      await until(() => other.stats().leaseWaits === keys.length);
      await sleep(150);
      caller.abort();
      for (const each of waiting) expect((await rejection(each)).code).to.equal('ERR_ABORTED');
    } finally {
      process.off('warning', hear);
      for (const end of ends) end();
    }
    await Promise.all(made);
    expect(warnings).to.deep.equal([]);
  });
});
