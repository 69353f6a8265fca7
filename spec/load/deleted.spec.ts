import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { cacheOf } from '../support/internals.js';
import { openStore } from '../support/open.js';
import { onEachPlace } from '../support/places.js';
import { amount } from '../support/whole.js';

const rounds = amount({ some: 250, all: 1000 });

/** A promise, and what resolves it. */
function gate(): { readonly passed: Promise<void>; pass(): void } {
  let pass!: () => void;
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { passed, pass };
}

describe('a deletion while the function of getOrSet runs', function () {
  this.timeout(60_000);

  onEachPlace((place) => {
    const settings: Record<string, StoreOptions> = { '': {}, ', with a near cache': { near: {} } };
    for (const [title, more] of Object.entries(settings)) {
      it(`wins, by every process and method of deletion, in ${rounds} interleavings${title}`, async () => {
        const one = openStore({ ...place().options, ...more });
        const { prefix } = one.source;
        const other = openStore({ ...place().options, ...more, prefix });
        const without = openStore({ ...place().options, ...more, prefix, batch: false });
        const plain = openStore({ ...place().options, prefix });
        const deletions = [
          (key: string) => other.del(key),
          (key: string) => one.del(key),
          (key: string) => without.del(key),
          (key: string) => other.mdel(key, 'another'),
          (key: string) => cacheOf(other).writer.unlinkCounted([key]),
          (key: string) => cacheOf(other).writer.unlinkEach([key, 'another']),
        ];
        const stayed: string[] = [];
        for (let i = 0; i < rounds; i++) {
          const key = `k${i}`;
          const started = gate();
          const made = gate();
          const loading = one.getOrSet(key, async () => {
            started.pass();
            await made.passed;
            return 'outdated';
          });
          await started.passed;
          // The result may come before, with or behind the deletion on its way: it was asked for before that was answered.
          const deletion = deletions[i % deletions.length]?.(key);
          if (i % 3 === 0) await deletion;
          if (i % 3 === 1) await turn();
          made.pass();
          expect(await loading).to.equal('outdated');
          await deletion;
          if (await plain.has(key)) stayed.push(key);
        }
        expect(stayed).to.deep.equal([]);
        expect([one, other, without, plain].flatMap(({ errors }) => errors)).to.deep.equal([]);
        // A value that was not stored is in no near cache either.
        const keys = Array.from({ length: rounds }, (_, i) => `k${i}`);
        for (const store of [one, other]) expect((await store.mget(...keys)).some((value) => value !== undefined)).to.equal(false);
      });
    }
  });
});
