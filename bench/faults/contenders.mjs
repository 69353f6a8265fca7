// Who is put under faults: each store as its documentation sets it up, with its default options, Redis as the only tier.
import KeyvPeer, { createCluster, createKeyv as createPeerKeyv, createSentinel } from '@keyv/redis';
import { redisStore as openRedisYet, redisClusterStore } from 'cache-manager-redis-yet';
import { caching } from 'cache-manager5';
import { Keyv } from 'keyv';
import { redisStore } from 'redis-tier';
import { createKeyv } from 'redis-tier/keyv';
import { bento, cache7 } from '../contenders.mjs';

const ttl = 600_000;
const host = '127.0.0.1';

/** cache-manager 5 promises nothing from `set`: whatever a store lets through there, callers do not know of it. */
function store5(cache) {
  return {
    get: (key) => cache.get(key),
    set: async (key, value) => void (await cache.set(key, value, ttl)),
    wrap: (key, make) => cache.wrap(key, make, ttl),
  };
}

const urls = ({ ports }) => ports.map((port) => ({ url: `redis://${host}:${port}` }));
const addresses = ({ ports }) => ports.map((port) => ({ host, port }));
const watched = ({ name, ...target }) => ({ name, sentinelRootNodes: addresses(target) });

/** How each of our faces is told where Redis is. */
const ours = {
  server: ({ port }) => ({ location: `${host}:${port}` }),
  cluster: (target) => ({ cluster: { rootNodes: urls(target) } }),
  sentinel: (target) => ({ sentinel: watched(target) }),
};
const peerKeyv = {
  server: ({ port }) => createPeerKeyv({ socket: { host, port } }, { namespace: 'bench' }),
  cluster: (target) => new Keyv({ store: new KeyvPeer(createCluster({ rootNodes: urls(target) })) }),
  sentinel: (target) => new Keyv({ store: new KeyvPeer(createSentinel(watched(target))) }),
};
const redisYet = {
  server: ({ port }) => openRedisYet({ socket: { host, port } }),
  cluster: (target) => redisClusterStore({ rootNodes: urls(target) }),
};

/** The same for every topology that there is a way to connect to. */
const each = (ways, open) =>
  Object.fromEntries(Object.entries(ways).map(([topology, way]) => [topology, async (target) => open(await way(target))]));

/** By title: for each topology that it offers, what makes { get, set, wrap }; `requires` is a package that may be missing. */
export const contenders = {
  'redis-tier, cache-manager 5': each(ours, async (where) => store5(await caching(redisStore({ ...where, prefix: 'bench' })))),
  'redis-tier, cache-manager 7': each(ours, (where) => cache7(createKeyv({ ...where, namespace: 'bench' }))),
  'cache-manager 5 + redis-yet': each(redisYet, async (store) => store5(await caching(store))),
  // It leaves node-redis's `error` event to its user, and without a listener the first lost connection ends the process.
  'cache-manager 5 + redis-yet, on(error)': each(redisYet, async (store) => {
    store.client.on('error', () => {});
    return store5(await caching(store));
  }),
  'cache-manager 7 + @keyv/redis': each(peerKeyv, cache7),
  bentocache: {
    server: ({ port }) => bento({ host, port }),
    cluster: async (target) => {
      const { Cluster } = await import('ioredis');
      return bento(new Cluster(addresses(target)));
    },
    sentinel: ({ name, ...target }) => bento({ name, sentinels: addresses(target) }),
  },
  // As the primary store: as the secondary it would have a tier in memory before it, which the others have not.
  cacheable: {
    requires: 'cacheable2',
    ...each({ ...peerKeyv, server: ({ port }) => createPeerKeyv(`redis://${host}:${port}`) }, async (primary) => {
      const { Cacheable } = await import('cacheable2');
      const cache = new Cacheable({ primary });
      return {
        get: (key) => cache.get(key),
        set: (key, value) => cache.set(key, value, ttl),
        wrap: (key, make) => cache.getOrSet(key, make, { ttl }),
      };
    }),
  },
};

/** The titles whose packages are here. Says which are not. */
export async function available() {
  const titles = [];
  for (const [title, { requires }] of Object.entries(contenders)) {
    const missing = requires && (await import(requires).then(() => false).catch((error) => error));
    if (missing) console.error(`left out: ${title} (${missing.code ?? missing.message})`);
    else titles.push(title);
  }
  return titles;
}
