import { setTimeout as sleep } from 'node:timers/promises';
import { createCache } from 'cache-manager';
import { redisStore, type StoreOptions } from '../../src/index.js';
import { createKeyv } from '../../src/keyv.js';
import { RedisCluster } from './cluster.js';
import { RedisServer } from './redis.js';

type Source = () => number;

/** An application's cache: how it reads, writes, and gets what it does not find from its source. */
export interface OfflineFace {
  get(key: string): Promise<unknown>;
  /** @returns whether the write was acknowledged */
  set(key: string, value: number): Promise<boolean>;
  getOrMake(key: string, source: Source): Promise<unknown>;
  readonly breaker: () => string;
  close(): Promise<void>;
}

export const offlineFaces: Readonly<Record<string, (options: StoreOptions) => OfflineFace>> = {
  store(options) {
    const store = redisStore(options);
    store.on('error', () => {});
    return {
      get: (key) => store.get(key),
      set: async (key, value) => (await store.set(key, value)) as unknown as boolean,
      getOrMake: (key, source) => store.getOrSet(key, source),
      breaker: () => store.breaker,
      close: () => store.disconnect(),
    };
  },
  Keyv(options) {
    const keyv = createKeyv(options);
    keyv.on('error', () => {});
    return {
      get: (key) => keyv.get(key),
      set: (key, value) => keyv.set(key, value),
      async getOrMake(key, source) {
        const found = await keyv.get(key);
        if (found !== undefined) return found;
        const value = source();
        await keyv.set(key, value);
        return value;
      },
      breaker: () => (keyv.store as unknown as { breaker: string }).breaker,
      close: () => keyv.disconnect(),
    };
  },
  'cache-manager 7'(options) {
    const keyv = createKeyv(options);
    keyv.on('error', () => {});
    const cache = createCache({ stores: [keyv] });
    return {
      get: (key) => cache.get(key),
      // cache-manager does not say whether it was stored; its Keyv does.
      set: (key, value) => keyv.set(key, value),
      getOrMake: (key, source) => cache.wrap(key, async () => source()),
      breaker: () => (keyv.store as unknown as { breaker: string }).breaker,
      close: async () => void (await cache.disconnect()),
    };
  },
};

/** Servers that can be stopped and go on, with what they hold. */
export interface StoppablePlace {
  readonly options: StoreOptions;
  /** Those that stop. */
  readonly servers: readonly RedisServer[];
  /** Whether none is left meanwhile. */
  readonly isOutage: boolean;
  stop(): Promise<void>;
}

async function cluster(isOutage: boolean): Promise<StoppablePlace> {
  // Without failover: a primary that another has replaced answers with what it held for a moment, and what it acknowledged is lost.
  const nodes = await RedisCluster.start({ args: ['--cluster-replica-no-failover', 'yes'] });
  const [primary] = await nodes.primaries();
  const servers = isOutage ? nodes.nodes.map(({ server }) => server) : primary ? [primary.node.server] : [];
  return { options: { cluster: { rootNodes: nodes.rootNodes } }, servers, isOutage, stop: () => nodes.stop() };
}

export const stoppablePlaces: Readonly<Record<string, () => Promise<StoppablePlace>>> = {
  async 'one server'() {
    const server = await RedisServer.start();
    return { options: { location: server.location }, servers: [server], isOutage: true, stop: () => server.stop() };
  },
  'a cluster, all nodes': () => cluster(true),
  'a cluster, one primary': () => cluster(false),
};

export interface OfflineOutage {
  /** How long Redis is away, and how long entries are served meanwhile, in milliseconds. */
  readonly time: number;
  readonly ttl: number;
  /** Requests a second, over so many keys. */
  readonly rate: number;
  readonly keys: number;
}

/**
 * Requests of an application while Redis is away, and writes of another process and reads once it is back.
 * @returns how often the source was called during the outage, and reads after it that were older than the last acknowledged write
 */
export async function offlineOutage(face: OfflineFace, other: OfflineFace, place: StoppablePlace, outage: OfflineOutage) {
  const { time, rate, keys } = outage;
  let calls = 0;
  const source = (): number => {
    calls++;
    return 0;
  };
  const stale: string[] = [];
  const names = Array.from({ length: keys }, (_, i) => `k${i}`);
  await Promise.all(names.map((key) => other.set(key, 1)));
  await face.get('warm');
  for (const server of place.servers) server.freeze();
  // Until the breaker knows. Before that, calls wait for their deadline.
  while (place.isOutage && face.breaker() === 'closed') {
    await Promise.all(['x', 'y', 'z', 'u', 'v'].map((key) => face.get(key)));
    // Calls of connections that are known to be down fail without a turn of the event loop, in which the others would be found out.
    await sleep(1);
  }
  const start = performance.now();
  const pending: Promise<unknown>[] = [];
  for (let i = 0; performance.now() - start < time; i++) {
    pending.push(face.getOrMake(names[i % keys] as string, source));
    const wait = start + ((i + 1) * 1000) / rate - performance.now();
    if (wait > 0) await sleep(wait);
  }
  await Promise.all(pending);
  const during = calls;
  for (const server of place.servers) server.thaw();
  const acknowledged = new Map<string, number>(names.map((key) => [key, 0]));
  // A cluster needs some seconds. Then two more.
  let end = performance.now() + 20_000;
  const writing = (async () => {
    for (let version = 2; performance.now() < end; version++) {
      for (const key of names) if (await other.set(key, version)) acknowledged.set(key, version);
      await sleep(2);
    }
  })();
  let isBack = false;
  for (let reads = 0; performance.now() < end; reads++) {
    const key = names[reads % keys] as string;
    const wasClosed = face.breaker() === 'closed';
    const atLeast = acknowledged.get(key) as number;
    const value = await face.get(key);
    if (wasClosed && value !== undefined && (value as number) < atLeast) stale.push(`${key}: ${value} after ${atLeast}`);
    if (!isBack && wasClosed && (value as number) > 1) {
      isBack = true;
      end = Math.min(end, performance.now() + 2000);
    }
    await sleep(2);
  }
  await writing;
  return { calls: during, stale, isBack };
}
