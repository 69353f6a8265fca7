import { once } from 'node:events';
import { expect } from 'chai';
import { FaultProxy } from '../support/chaos/proxy.js';
import { slack } from '../support/chaos/run.js';
import { type StoreUnderLoad, timeout } from '../support/chaos/topology.js';
import type { WriterReport } from '../support/chaos/writer-process.js';
import { Fleet } from '../support/fleet.js';
import { RedisServer } from '../support/redis.js';
import { randomFor, seed } from './options.js';

/** Bytes that wait for the network may be so many at most: 64 MiB, the default of `maxPendingBytes`, and what the process needs besides. */
const maxHeld = 80 * 2 ** 20;

const kinds: Record<string, StoreUnderLoad['options']> = { 'node-redis': {}, 'our own parser': { parser: 'auto' } };

describe(`chaos: more is written than the network takes, seed ${seed}`, () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start(['--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru']);
  });
  after(() => server?.stop());

  it('keeps memory bounded, opens the breaker, and is back afterwards', async () => {
    await Promise.all(Object.entries(kinds).map(([title, options]) => writeTooMuch(title, options)));
  });

  async function writeTooMuch(title: string, options: StoreUnderLoad['options']): Promise<void> {
    const proxy = await FaultProxy.start(server.port, randomFor(title));
    const fleet = new Fleet('spec/support/chaos/writer-process.ts');
    try {
      await fleet.start(1, JSON.stringify({ title, options: { ...options, location: proxy.location } } satisfies StoreUnderLoad));
      const [writer] = fleet.members;
      const ask = async <T>(message: object): Promise<T> => {
        const answer = once(writer as NodeJS.EventEmitter, 'message');
        writer?.send(message);
        return (await answer)[0];
      };
      proxy.become({ kind: 'narrow', bytesPerSecond: 300_000 });
      const { calls, settled, slowest, held, opened } = await ask<WriterReport>({ milliseconds: 6000 });
      proxy.become({ kind: 'open' });
      const back = await ask<number>({});
      const figures = `${calls} calls, longest ${Math.round(slowest)} ms, ${Math.round(held / 2 ** 20)} MiB held`;
      console.log(`      ${title}: ${figures}, breaker ${opened ? 'opened' : 'never opened'}; back after ${Math.round(back)} ms`);
      expect(settled).to.equal(calls);
      expect(slowest).to.be.below(timeout + slack);
      expect(held).to.be.below(maxHeld);
      expect(opened).to.equal(true);
      expect(back).to.be.below(2000);
    } finally {
      await fleet.stop();
      await proxy.stop();
    }
  }
});
