import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { RoundRobinPool, redisStore, type StoreOptions } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { leftOver, resources, settledResources } from '../support/chaos/resources.js';
import { RedisCluster } from '../support/cluster.js';
import { cacheOf } from '../support/internals.js';
import { RedisServer } from '../support/redis.js';
import { RedisSentinels } from '../support/sentinel.js';
import { type RawClient, rawClient } from '../support/wire.js';

const reconnects = 1000;
/** Bytes that may be in use beyond those of before: a few for each reconnect would be a leak of nothing worth the name. */
const growth = 4 * 2 ** 20;

/** Where connections are cut. */
interface Place {
  /** A client of the specs' own for every node, sentinels included. */
  readonly clients: readonly RawClient[];
  /** Options of the stores that are connected to it, and of the Keyv adapter beside them. */
  readonly stores: readonly [StoreOptions, ...StoreOptions[]];
  stop(): Promise<void>;
}

const places: Record<string, () => Promise<Place>> = {
  async 'one server'() {
    const server = await RedisServer.start();
    const { location } = server;
    const stores = [{ location }, { location, parser: 'auto' }, { location, pool: { class: RoundRobinPool, size: 2 } }] as const;
    return { clients: [await rawClient(server)], stores, stop: () => server.stop() };
  },
  async 'a cluster'() {
    const cluster = await RedisCluster.start();
    const { rootNodes } = cluster;
    const stores = [
      { cluster: { rootNodes } },
      { cluster: { rootNodes }, readFrom: 'replica' },
      { cluster: { rootNodes }, near: {} },
    ] as const;
    return { clients: await Promise.all(cluster.nodes.map(({ server }) => rawClient(server))), stores, stop: () => cluster.stop() };
  },
  async sentinels() {
    const nodes = await RedisSentinels.start({ minimal: false });
    const sentinel = { name: nodes.name, sentinelRootNodes: nodes.rootNodes };
    const clients = await Promise.all([...nodes.servers, ...nodes.sentinels].map(({ server }) => rawClient(server)));
    return { clients, stores: [{ sentinel }, { sentinel, readFrom: 'replica' }, { sentinel, near: {} }], stop: () => nodes.stop() };
  },
};

/** The connections of the stores to this node: not those of the specs, nor of sentinels, which would take the node for dead. */
async function strangers(client: RawClient): Promise<string[]> {
  const own = await client.clientId();
  const list = await client.sendCommand<string>(['CLIENT', 'LIST']);
  const ids = [...list.matchAll(/^id=(\d+) .* name=(\S*) .* flags=(\S+) /gm)];
  return ids
    .filter(
      ([, id, name = '', flags = '']) => Number(id) !== own && name !== 'specs' && !name.startsWith('sentinel-') && !/[MS]/.test(flags),
    )
    .map(([, id]) => id as string);
}

for (const [title, start] of Object.entries(places)) {
  describe(`chaos: reconnects, ${title}`, () => {
    let place: Place;
    before(async () => {
      place = await start();
      await Promise.all(place.clients.map((client) => client.clientSetName('specs')));
    });
    after(async () => {
      for (const client of place.clients) client.destroy();
      await place.stop();
    });

    async function connections(): Promise<number> {
      return (await Promise.all(place.clients.map(strangers))).reduce((sum, ids) => sum + ids.length, 0);
    }

    /** Cuts every connection. @returns how many there were */
    async function cut(): Promise<number> {
      const killed = place.clients.map(async (client) => {
        const ids = await strangers(client);
        const answers = ids.map((id) => client.sendCommand<number>(['CLIENT', 'KILL', 'ID', id]));
        return (await Promise.all(answers)).reduce((sum, count) => sum + Number(count), 0);
      });
      return (await Promise.all(killed)).reduce((sum, count) => sum + count, 0);
    }

    it(`leave no listener, handle, timer or memory behind, ${reconnects} of them`, async () => {
      const warnings: Error[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning);
      process.on('warning', onWarning);
      const before = await connections();
      const start = await resources();

      const all = place.stores.map((options) => redisStore(options).on('outage', () => {}));
      const [shared] = all;
      const keyv = new KeyvRedisStore(place.stores[0]).on('outage', () => {});
      // Keys of many slots, so that every primary of a cluster is asked.
      const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
      const works = [...all.map((store) => (key: string) => cacheOf(store).writer.set(key, 1)), (key: string) => keyv.set(key, 1)];
      const allWork = async (): Promise<void> => {
        const until = performance.now() + 5000;
        for (const set of works) {
          while (!(await Promise.all(keys.map(set))).every(Boolean)) {
            expect(performance.now(), 'the deadline for coming back').to.be.below(until);
            await sleep(5);
          }
        }
      };
      const listeners = (): Record<string, number> =>
        Object.fromEntries((shared?.client?.eventNames() ?? []).map((event) => [String(event), shared?.client?.listenerCount(event) ?? 0]));
      /** Every connection is back, also those that no call waits for. Sentinels are asked now and then over connections made for that. */
      const settled = async (count: number): Promise<number> => {
        let now = await connections();
        for (let i = 0; i < 250 && now !== count; i++) {
          await sleep(20);
          now = await connections();
        }
        return now;
      };
      let cuts = 0;
      const cutUntil = async (count: number): Promise<void> => {
        while (cuts < count) {
          cuts += await cut();
          await allWork();
        }
      };

      await allWork();
      await sleep(200);
      const connected = await connections();
      // The first reconnects compile what they need and fill what Node keeps; they are not what is measured.
      await cutUntil(100);
      await settled(connected);
      const early = { resources: await settledResources(start, 0), listeners: listeners() };
      await cutUntil(cuts + reconnects);
      await settled(connected);
      const late = { resources: await settledResources(early.resources), listeners: listeners() };
      expect(leftOver(early.resources, late.resources)).to.deep.equal([]);
      expect(late.listeners).to.deep.equal(early.listeners);
      expect(await settled(connected)).to.equal(connected);
      const grown = late.resources.heap - early.resources.heap;
      console.log(`      ${cuts} connections cut, of ${connected}; heap ${(grown / 2 ** 20).toFixed(2)} MiB more`);
      expect(grown).to.be.below(growth);

      await Promise.all([...all, keyv].map((each) => each.disconnect()));
      await settled(before);
      process.off('warning', onWarning);
      expect(leftOver(start, await settledResources(start))).to.deep.equal([]);
      expect(await connections()).to.equal(before);
      expect(warnings).to.deep.equal([]);
    });
  });
}
