// Everything that is measured, brought into one shape: get, set (with a ttl), mget, mset, wrap. Each runs in a process of its own.
import { createKeyv as createPeerKeyv } from '@keyv/redis';
import { createClient, createClientPool } from '@redis/client';
import { createCache } from 'cache-manager';
import { redisStore as redisYet } from 'cache-manager-redis-yet';
import { caching } from 'cache-manager5';
import { BlockingPool, RoundRobinPool, redisStore } from 'redis-tier';
import { createKeyv } from 'redis-tier/keyv';
import { BareSocket, CoalescingSocket } from './limit.mjs';

// Longer than a run.
const ttl = 6 * 3_600_000;
const pairs = (entries) => Object.entries(entries);

function store5(cache) {
  return {
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value, ttl),
    mget: (keys) => cache.store.mget(...keys),
    mset: (entries) => cache.store.mset(pairs(entries), ttl),
    wrap: (key, make) => cache.wrap(key, make, ttl),
  };
}

function keyv5(keyv) {
  return {
    get: (key) => keyv.get(key),
    set: (key, value) => keyv.set(key, value, ttl),
    mget: (keys) => keyv.getMany(keys),
    mset: (entries) => keyv.setMany(pairs(entries).map(([key, value]) => ({ key, value, ttl }))),
  };
}

export function cache7(keyv) {
  const cache = createCache({ stores: [keyv] });
  return {
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value, ttl),
    mget: (keys) => cache.mget(keys),
    mset: (entries) => cache.mset(pairs(entries).map(([key, value]) => ({ key, value, ttl }))),
    wrap: (key, make) => cache.wrap(key, make, ttl),
  };
}

const parsed = (text) => (text === null ? undefined : JSON.parse(text));

function json(send) {
  const set = (key, value) => send(['SET', key, JSON.stringify(value), 'PX', String(ttl)]);
  return {
    get: async (key) => parsed(await send(['GET', key])),
    set,
    mget: async (keys) => (await send(['MGET', ...keys])).map(parsed),
    mset: (entries) => Promise.all(pairs(entries).map(([key, value]) => set(key, value))),
  };
}

async function ioredis({ port, path }, options = {}) {
  const { Redis } = await import('ioredis');
  return new Redis({ ...(path ? { path } : { port, host: '127.0.0.1' }), ...options });
}

export async function bento(connection) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { redisDriver } = await import('bentocache/drivers/redis');
  const cache = new BentoCache({ default: 'redis', stores: { redis: bentostore().useL2Layer(redisDriver({ connection })) } });
  return {
    get: (key) => cache.get({ key }),
    set: (key, value) => cache.set({ key, value, ttl }),
    wrap: (key, factory) => cache.getOrSet({ key, factory, ttl }),
  };
}

const ours = ({ port, path }) => ({ location: path ?? `127.0.0.1:${port}`, prefix: 'bench' });
const url = ({ port, path }) => (path ? `unix://${path}` : `redis://127.0.0.1:${port}`);
const socket = ({ port, path }) => (path ? { path } : { host: '127.0.0.1', port });

const nodeRedis = (target, commandOptions) => commandsOf(createClient({ url: url(target), ...(commandOptions ? { commandOptions } : {}) }));

const pooled = async (target, pool) => store5(await caching(redisStore({ ...ours(target), pool })));

async function commandsOf(client) {
  client.on('error', () => {});
  await client.connect();
  return {
    get: async (key) => parsed(await client.get(key)),
    set: (key, value) => client.set(key, JSON.stringify(value), { expiration: { type: 'PX', value: ttl } }),
    mget: async (keys) => (await client.mGet(keys)).map(parsed),
    mset: (entries) =>
      Promise.all(pairs(entries).map(([key, value]) => client.set(key, JSON.stringify(value), { expiration: { type: 'PX', value: ttl } }))),
  };
}

/** By title. The first is the measure of the others. */
export const contenders = {
  'limit: bare socket + JSON': async (target) => {
    const bare = await BareSocket.open(target);
    return json((args) => bare.send(args));
  },
  'limit: bare socket that gathers gets + JSON': async (target) => {
    const bare = await CoalescingSocket.open(target);
    return { ...json((args) => bare.send(args)), get: async (key) => parsed(await bare.get(key)) };
  },
  'redis-tier, cache-manager 5': async (target) => store5(await caching(redisStore(ours(target)))),
  "redis-tier, cache-manager 5, parser 'auto'": async (target) => store5(await caching(redisStore({ ...ours(target), parser: 'auto' }))),
  'redis-tier, Keyv 5': async (target) => keyv5(createKeyv({ ...ours(target), namespace: 'bench' })),
  'redis-tier, cache-manager 7': async (target) => cache7(createKeyv({ ...ours(target), namespace: 'bench' })),
  'node-redis + JSON, timeout off': (target) => nodeRedis(target, { timeout: 0 }),
  'node-redis + JSON, defaults': (target) => nodeRedis(target),
  'cache-manager 5 + redis-yet': async (target) => store5(await caching(await redisYet({ socket: socket(target) }))),
  'Keyv 5 + @keyv/redis': async (target) => keyv5(createPeerKeyv({ socket: socket(target) }, { namespace: 'bench' })),
  'cache-manager 7 + @keyv/redis': async (target) => cache7(createPeerKeyv({ socket: socket(target) }, { namespace: 'bench' })),
  'ioredis + JSON': async (target) => {
    const redis = await ioredis(target);
    return json(([name, ...args]) => redis.call(name, ...args));
  },
  'ioredis with automatic pipelining + JSON': async (target) => {
    const redis = await ioredis(target, { enableAutoPipelining: true });
    // Only its own methods are pipelined.
    return json(([name, ...args]) => redis[name.toLowerCase()](...args));
  },
  'bentocache, Redis only': (target) => bento(socket(target)),
  // Asked for by name: `npm run bench -- --only pool`.
  'redis-tier, RoundRobinPool of 4': async (target) => pooled(target, { class: RoundRobinPool, size: 4 }),
  'redis-tier, BlockingPool of 10': async (target) => pooled(target, { class: BlockingPool, max: 10 }),
  'node-redis + JSON, its pool of 10': (target) =>
    commandsOf(createClientPool({ url: url(target), commandOptions: { timeout: 0 } }, { minimum: 10, maximum: 10 })),
};
