// Another process of the coherent memory spec: tiers as its parent has them, which do what they are told.
import { createCache } from 'cache-manager';
import { caching, multiCaching } from 'cache-manager5';
import { coherentMemory, redisStore, type StoreOptions } from '../../src/index.js';
import { coherentMemory as coherentKeyv, createKeyv } from '../../src/keyv.js';

/** What cache-manager 5 and 7 have in common. */
export interface Tiers {
  get(key: string): Promise<unknown>;
  mget(keys: string[]): Promise<unknown[]>;
  set(key: string, value: unknown): Promise<unknown>;
  del(key: string): Promise<unknown>;
  clear(): Promise<unknown>;
  wrap(key: string, load: () => Promise<unknown>): Promise<unknown>;
  close(): Promise<unknown>;
}

/** `multiCaching` of cache-manager 5 over a store. */
export async function tiers5(options: StoreOptions): Promise<Tiers> {
  const store = redisStore({ ...options, near: {} });
  const cache = multiCaching([await caching(coherentMemory(store)), await caching(store)]);
  return {
    get: (key) => cache.get(key),
    mget: (keys) => cache.mget(...keys),
    set: (key, value) => cache.set(key, value),
    del: (key) => cache.del(key),
    clear: () => cache.reset(),
    wrap: (key, load) => cache.wrap(key, load),
    close: () => store.disconnect(),
  };
}

/** cache-manager 7 over a Keyv. */
export async function tiers7({ prefix, ...options }: StoreOptions): Promise<Tiers> {
  const redis = createKeyv({ ...options, namespace: prefix, near: {} });
  redis.on('error', () => {});
  const cache = createCache({ stores: [coherentKeyv(redis), redis] });
  return {
    get: (key) => cache.get(key),
    mget: (keys) => cache.mget(keys),
    set: (key, value) => cache.set(key, value),
    del: (key) => cache.del(key),
    clear: () => cache.clear(),
    wrap: (key, load) => cache.wrap(key, load),
    close: () => cache.disconnect(),
  };
}

export const kinds = { 'cache-manager 5': tiers5, 'cache-manager 7': tiers7 };

if (require.main === module) {
  let tiers: Tiers | undefined;
  process.on(
    'message',
    async ({ kind, options, call, args }: { kind: keyof typeof kinds; options: StoreOptions; call: keyof Tiers; args: never[] }) => {
      tiers ??= await kinds[kind](options);
      const result = await (tiers[call] as (...given: never[]) => Promise<unknown>)(...args).catch(() => undefined);
      process.send?.({ result });
      if (call === 'close') process.disconnect();
    },
  );
}
