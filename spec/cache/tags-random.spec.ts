import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { keyvSerializer } from '../../src/index.js';
import { sharedServer } from '../support/hooks.js';
import { openStore } from '../support/open.js';
import { amount } from '../support/whole.js';
import { rawClient } from '../support/wire.js';

/** The same numbers for the same seed (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

describe('tags under random interleavings', () => {
  const rounds = amount({ some: 3, all: 6 });
  for (let round = 0; round < rounds; round++) {
    const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
    it(`never bring a value back that was invalidated before it was asked for: seed ${seed}`, async () => {
      const random = seeded(seed);
      const lazyClear = random(2) === 0;
      const prefix = randomUUID();
      const redis = await rawClient(sharedServer());
      const slow = {
        name: 'slow',
        stringify: async (value: unknown) => {
          if (random(3) === 0) await turn();
          return JSON.stringify(value);
        },
        parse: (text: string) => JSON.parse(text),
      };
      const stores = Array.from({ length: 4 }, (_, i) =>
        openStore({ prefix, lazyClear, serializer: i % 2 ? slow : [keyvSerializer, slow], ...(i === 3 ? { batch: false as const } : {}) }),
      );
      const tags = ['t0', 't1', 't2'];
      const keys = Array.from({ length: 6 }, (_, i) => ({ key: `k${i}`, tags: tags.filter((_, j) => ((i + 1) >> j) & 1) }));
      /** What every tag's data is now, and how much of it was invalidated for certain. */
      const data = new Map(tags.map((tag) => [tag, 0]));
      const floor = new Map(tags.map((tag) => [tag, 0]));
      const snapshot = (of: readonly string[], from: Map<string, number>): number[] => of.map((tag) => from.get(tag) as number);
      const pause = () => (random(2) === 0 ? turn() : sleep(random(3)));
      let hits = 0;
      let checked = 0;

      const check = (value: unknown, least: number[], what: string): void => {
        checked++;
        if (value === undefined) return;
        hits++;
        for (const [i, version] of (value as number[]).entries()) expect(version, what).to.be.at.least(least[i] as number);
      };
      async function act(): Promise<void> {
        const store = stores[random(stores.length)] as (typeof stores)[number];
        const { key, tags: of } = keys[random(keys.length)] as (typeof keys)[number];
        const least = snapshot(of, floor);
        switch (random(12)) {
          case 0:
          case 1: {
            const chosen = tags.filter(() => random(2) === 0);
            const next = chosen.map((tag) => [tag, (data.get(tag) as number) + 1] as const);
            for (const [tag, version] of next) data.set(tag, version);
            await store.invalidateTags(chosen);
            for (const [tag, version] of next) floor.set(tag, Math.max(floor.get(tag) as number, version));
            return;
          }
          case 2: {
            if (!lazyClear) return;
            const next = tags.map((tag) => [tag, (data.get(tag) as number) + 1] as const);
            for (const [tag, version] of next) data.set(tag, version);
            await store.clear({ lazy: true });
            for (const [tag, version] of next) floor.set(tag, Math.max(floor.get(tag) as number, version));
            return;
          }
          case 3:
            // As an eviction would.
            await redis.unlink(`${prefix}#t:${['', ...tags][random(4)]}`);
            return;
          case 4:
          case 5:
            return check(await store.get(key), least, 'get');
          case 6: {
            const many = keys.map((each) => each.key);
            const leasts = keys.map((each) => snapshot(each.tags, floor));
            for (const [i, value] of (await store.mget(...many)).entries()) check(value, leasts[i] as number[], 'mget');
            return;
          }
          default: {
            const load = async (): Promise<number[]> => {
              const read = snapshot(of, data);
              await pause();
              return read;
            };
            check(await store.getOrSet(key, load, { tags: of }), snapshot(of, new Map(tags.map((tag) => [tag, 0]))), 'getOrSet');
          }
        }
      }
      const workers = Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 150; i++) {
          await act();
          if (random(4) === 0) await pause();
        }
      });
      await Promise.all(workers);
      for (const store of stores) {
        for (const { key, tags: of } of keys) check(await store.get(key), snapshot(of, data), 'at rest');
        expect(store.errors).to.deep.equal([]);
      }
      expect(checked).to.be.above(500);
      expect(hits).to.be.above(100);
      redis.destroy();
    });
  }
});
