import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RoundRobinPool, redisStore } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { leftOver, resources, settledResources } from '../support/chaos/resources.js';
import type { RedisServer } from '../support/redis.js';
import { onOwnServer, type RawClient } from '../support/wire.js';

const reconnects = 1000;
/** Bytes that may be in use beyond those of before: a few for each reconnect would be a leak of nothing worth the name. */
const growth = 4 * 2 ** 20;

describe('chaos: reconnects', () => {
  let server: RedisServer;
  let redis: RawClient;
  onOwnServer((ownServer, ownRedis) => {
    server = ownServer;
    redis = ownRedis;
  });

  async function connections(): Promise<number> {
    return Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))?.[1]);
  }

  async function clients(): Promise<number> {
    return (await redis.sendCommand<string>(['CLIENT', 'LIST', 'TYPE', 'normal'])).trim().split('\n').length;
  }

  it(`leave no listener, handle, timer or memory behind, ${reconnects} of them`, async () => {
    const { location } = server;
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const start = await resources();
    const clientsAtStart = await clients();

    const shared = redisStore({ location });
    const all = [shared, redisStore({ location, parser: 'auto' }), redisStore({ location, pool: { class: RoundRobinPool, size: 2 } })];
    const keyv = new KeyvRedisStore({ location });
    const works = [...all.map((store) => () => store.put('k', 1)), () => keyv.set('k', 1)];
    const allWork = async (): Promise<void> => {
      const until = performance.now() + 5000;
      for (const set of works) {
        while (!(await set())) {
          expect(performance.now(), 'the deadline for coming back').to.be.below(until);
          await sleep(5);
        }
      }
    };
    const listeners = (): Record<string, number> =>
      Object.fromEntries((shared.client?.eventNames() ?? []).map((event) => [String(event), shared.client?.listenerCount(event) ?? 0]));

    const first = await connections();
    const kill = async (until: number): Promise<void> => {
      while ((await connections()) - first < until) {
        await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
        await allWork();
      }
    };
    /** Every connection of the round-robin pool is back too, which nobody has to wait for otherwise. */
    const settled = async (count: number): Promise<void> => {
      for (let i = 0; i < 200 && (await clients()) !== count; i++) await sleep(20);
    };

    await allWork();
    // The first reconnects compile what they need and fill what Node keeps; they are not what is measured.
    await kill(50);
    const connected = clientsAtStart + 5;
    await settled(connected);
    const early = { resources: await settledResources(start, 0), listeners: listeners() };
    await kill(50 + reconnects);
    await settled(connected);
    const late = { resources: await settledResources(early.resources), listeners: listeners() };
    expect(leftOver(early.resources, late.resources)).to.deep.equal([]);
    expect(late.listeners).to.deep.equal(early.listeners);
    expect(await clients()).to.equal(connected);
    const grown = late.resources.heap - early.resources.heap;
    console.log(`      ${(await connections()) - first} connections, heap ${(grown / 2 ** 20).toFixed(2)} MiB more`);
    expect(grown).to.be.below(growth);

    await Promise.all([...all, keyv].map((each) => each.disconnect()));
    await settled(clientsAtStart);
    process.off('warning', onWarning);
    expect(leftOver(start, await settledResources(start))).to.deep.equal([]);
    expect(await clients()).to.equal(clientsAtStart);
    expect(warnings).to.deep.equal([]);
  });
});
