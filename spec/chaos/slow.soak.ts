import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { densestMinute } from '../support/breaker-simulation.js';
import { openStore, stopping } from '../support/open.js';
import { firstBadTime, meanRefusal, pacedCalls } from '../support/paced-calls.js';
import { RedisServer } from '../support/redis.js';
import { SlowNetwork } from '../support/slow-network.js';
import { randomFor } from './options.js';

const ways: Readonly<Record<string, StoreOptions>> = { 'node-redis': {}, 'the direct connection': { parser: 'auto' } };

/** A store with a `timeout` of a second over a network that can be slow, and when its breaker changed between closed and not closed. */
async function slowStore(options: StoreOptions) {
  const server = stopping(await RedisServer.start());
  const network = stopping(await SlowNetwork.start(server.port));
  const store = openStore({ location: network.location, timeout: 1000, onFailure: 'throw', ...options });
  const changes: number[] = [];
  let wasClosed = true;
  store.on('breaker', (state) => {
    if ((state === 'closed') === wasClosed) return;
    wasClosed = !wasClosed;
    changes.push(performance.now());
  });
  await store.set('k', 1);
  return { network, store, changes };
}

describe('a network that becomes slow', () => {
  it('from 1 ms to 1.5 s in 20 s: the breaker opens within five seconds of the first in which most calls miss, and then no call waits', async () => {
    const runs = Object.entries(ways).flatMap(([way, options]) => [5, 50, 500].map((rate) => ({ way, options, rate })));
    const reports = await Promise.all(
      runs.map(async ({ way, options, rate }) => {
        const { network, store, changes } = await slowStore(options);
        const start = performance.now();
        network.latency = () => 1 + Math.min(1, (performance.now() - start) / 20_000) * 1500;
        const calls = await pacedCalls(store, rate, 25_000);
        const opened = (changes[0] as number) - firstBadTime(calls, 1000);
        const what = `${rate} calls/s over ${way}`;
        expect(opened, what).to.be.below(5000);
        expect(changes.length, what).to.be.below(7);
        expect(meanRefusal(calls), what).to.be.below(1);
        return `${what}: open ${(opened / 1000).toFixed(1)} s after the first second in which most calls missed; ${changes.length} changes; ${meanRefusal(calls).toFixed(3)} ms a call while open; ${network.accepted} connections`;
      }),
    );
    for (const report of reports) console.log(`      ${report}`);
  });

  it('to about the deadline for a minute: the breaker changes state at most six times', async () => {
    const random = randomFor('slow');
    const borders: Record<string, (time: number) => number> = {
      'at random from 800 to 1200 ms': () => random.integer(800, 1200),
      'at random from 500 to 1100 ms': () => random.integer(500, 1100),
      'waves of 4 s from 600 to 1400 ms': (time) => 1000 + 400 * Math.sin((2 * Math.PI * time) / 4000),
      'waves of 15 s from 800 to 1200 ms': (time) => 1000 + 200 * Math.sin((2 * Math.PI * time) / 15_000),
    };
    const runs = Object.entries(borders).flatMap(([border, latency]) =>
      Object.entries(ways).map(([way, options]) => ({ border, latency, way, options })),
    );
    const reports = await Promise.all(
      runs.map(async ({ border, latency, way, options }) => {
        const { network, store, changes } = await slowStore(options);
        const start = performance.now();
        network.latency = () => latency(performance.now() - start);
        const calls = await pacedCalls(store, 50, 90_000);
        const densest = densestMinute(changes);
        expect(densest, `${border}, over ${way}`).to.be.below(7);
        // Then Redis is fast again.
        network.latency = () => 1;
        await sleep(500);
        await pacedCalls(store, 50, 3000);
        expect(store.breaker, `${border}, over ${way}`).to.equal('closed');
        const hits = calls.filter(({ isHit }) => isHit).length;
        return `${border}, over ${way}: ${densest} changes in a minute at most, ${hits} hits of ${calls.length}, ${meanRefusal(calls).toFixed(3)} ms a call while open`;
      }),
    );
    for (const report of reports) console.log(`      ${report}`);
  });
});
