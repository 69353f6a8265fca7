import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { NearReader } from '../../src/cache/values.js';
import { never } from '../../src/commands/commands.js';
import type { Connection } from '../../src/connection/connection.js';
import { keySpace } from '../../src/keys/keyspace.js';
import type { NearSettings } from '../../src/near/entry.js';
import { type Fill, NearTier } from '../../src/near/tier.js';
import { closing } from '../support/open.js';
import { until } from '../support/until.js';

const settings: NearSettings = { max: 10, maxBytes: 10_000, ttl: 60_000, freeze: false, maxStaleness: 0 };

describe('the near tier', () => {
  /** A tier that is connected. */
  function open(more: Partial<NearSettings> = {}, timeout = 1000): NearTier {
    const tier = new NearTier({ ...settings, ...more }, timeout);
    closing({ disconnect: async () => tier.close() });
    tier.started();
    return tier;
  }

  /** Keeps that the key exists, for `left` milliseconds, as Redis answers after a while. */
  async function fill(tier: NearTier, key: string, left: number): Promise<Fill> {
    const begun = tier.begin(key) as Fill;
    await sleep(20);
    tier.complete(begun, undefined, left);
    return begun;
  }

  it('ends an entry at its time in Redis and at `near.ttl`, both counted from before Redis was asked', async () => {
    for (const [tier, left] of [
      [open(), 500],
      [open({ ttl: 500 }), never],
    ] as const) {
      const { start } = await fill(tier, 'k', left);
      expect(tier.find('k', start + 499)).to.include({ deadline: start + 500 });
      expect(tier.find('k', start + 500)).to.equal(undefined);
    }
  });

  it('ends an entry in time that is read again and again', async () => {
    const tier = open();
    const reader = new NearReader(tier, keySpace({ prefix: 'p' }));
    const { start } = await fill(tier, 'p:k', 60);
    reader.find('k');
    reader.find('k');
    await sleep(start + 70 - performance.now());
    expect(reader.find('k')).to.equal(undefined);
  });

  it('serves for `timeout` and the time between two questions after a question that the server answers, not after its answer', async () => {
    const timeout = 40;
    const tier = open({}, timeout);
    const asked: number[] = [];
    const trusted: number[] = [];
    const confirm = async (): Promise<void> => {
      asked.push(performance.now());
      trusted.push(tier.trustedUntil);
      await sleep(30);
    };
    tier.watch({ track: () => ({ confirm, close() {} }) } as Partial<Connection> as Connection);
    await until(() => asked.length > 1);
    expect(trusted[1]).to.be.above(trusted[0] as number);
    expect(trusted[1]).to.be.at.most((asked[0] as number) + 2 * timeout);
  });

  it('serves no longer than `maxStaleness` after the last answer of a connection that fell silent before it was lost', async () => {
    const tier = open({ maxStaleness: 500 }, 100);
    const started = performance.now();
    await fill(tier, 'k', never);
    tier.stopped();
    expect(tier.find('k', started + 490)).to.include({ isEvicted: false });
    expect(tier.find('k', started + 500)).to.equal(undefined);
  });

  it('holds what is used often through a scan of more keys than it may hold, and through invalidations', () => {
    const tier = open({ max: 100, maxBytes: 10_000_000 });
    let now = performance.now();
    /** Looks for the keys again and again, and keeps that those exist that are not found. */
    function read(keys: readonly string[], times: number): number {
      let hits = 0;
      for (let i = 0; i < times; i++) {
        // No entry of this tier ends before.
        now += 101;
        for (const key of keys) {
          if (tier.find(key, now)) hits++;
          else tier.complete(tier.begin(key) as Fill, undefined, never);
        }
      }
      return hits;
    }
    const named = (count: number, name: string): string[] => Array.from({ length: count }, (_, i) => `${name}:${i}`);
    const hot = named(50, 'hot');
    expect(read(hot, 3)).to.equal(100);
    expect(read(named(1000, 'scanned'), 1)).to.equal(0);
    expect(read(hot, 1)).to.equal(50);
    for (const key of hot) tier.invalidated(key);
    expect(read(hot, 1)).to.equal(0);
    expect(read(named(1000, 'scanned again'), 1)).to.equal(0);
    expect(read(hot, 1)).to.equal(50);
    expect(tier.holding.entries).to.equal(100);
  });
});
