import { type RedisStore, redisStore, type StoreOptions } from '../../../src/index.js';
import { createKeyv, type KeyvRedisOptions } from '../../../src/keyv.js';
import type { Value } from './history.js';
import type { StoreUnderLoad } from './topology.js';

/** What the load needs of a store or a Keyv: writes and deletions say whether they happened. */
export interface Face {
  readonly title: string;
  /** The keys it is asked for. A Keyv has entries of its own, so it has other keys than a store. */
  readonly keys: readonly string[];
  /** Whether reads and writes reject where they fail. */
  readonly throwing: boolean;
  /** How many operations of ours one read may take. Keyv deletes what expires on its way here before it answers. */
  readonly operations: number;
  /** Whether it reads what is behind, see {@link StoreUnderLoad.behind}. */
  readonly behind: boolean;
  get(key: string): Promise<unknown>;
  getMany(keys: readonly string[]): Promise<readonly unknown[]>;
  has(key: string): Promise<boolean>;
  /** False, or a rejection: it is not known whether it was stored. */
  set(key: string, value: Value, ttl?: number): Promise<boolean>;
  setMany(entries: readonly (readonly [key: string, value: Value])[], ttl?: number): Promise<readonly boolean[]>;
  /** A rejection: it is not known whether it is gone. */
  delete(key: string): Promise<unknown>;
  getOrSet?(key: string, make: () => Value, ttl?: number): Promise<unknown>;
  /** How often `getOrSet` of this key has told of a failure. */
  failures(key: string): number;
  status(): string;
  disconnect(): Promise<void>;
}

/** Opens it. Every other store throws what fails, the rest answer with misses. */
export function openFace(
  { title, face, options, behind = false }: StoreUnderLoad,
  own: StoreOptions & { prefix: string },
  throwing: boolean,
): Face {
  if (face === 'keyv') return keyvFace(title, { ...options, ...own, namespace: own.prefix });
  const store = redisStore({ ...options, ...own, onFailure: throwing ? 'throw' : 'miss' });
  return { ...storeFace(store, throwing), title, throwing, keys: keysOf('store'), operations: 1, behind };
}

const keysOf = (face: string): string[] => Array.from({ length: 12 }, (_, i) => `${face}${i}`);

function storeFace(store: RedisStore, throwing: boolean): Omit<Face, 'title' | 'keys' | 'throwing' | 'operations' | 'behind'> {
  const failures = new Map<string, number>();
  store.on('error', ({ operation, key = '' }) => {
    if (operation === 'getOrSet') failures.set(key, (failures.get(key) ?? 0) + 1);
  });
  return {
    get: (key) => store.get(key),
    getMany: (keys) => store.mget(...keys),
    has: (key) => store.has(key),
    set: throwing ? (key, value, ttl) => store.set(key, value, ttl).then(() => true) : (key, value, ttl) => store.put(key, value, ttl),
    setMany: throwing
      ? (entries, ttl) => store.mset(entries, ttl).then(() => entries.map(() => true))
      : (entries, ttl) => store.putMany(entries.map(([key, value]) => [key, value, ttl] as const)),
    delete: (key) => store.del(key),
    getOrSet: (key, make, ttl) => store.getOrSet(key, make, ttl),
    failures: (key) => failures.get(key) ?? 0,
    status: () => store.status,
    disconnect: () => store.disconnect(),
  };
}

function keyvFace(title: string, options: KeyvRedisOptions): Face {
  const keyv = createKeyv(options);
  keyv.on('error', () => {});
  return {
    title,
    keys: keysOf('keyv'),
    throwing: false,
    operations: 2,
    behind: false,
    get: (key) => keyv.get(key),
    getMany: (keys) => keyv.getMany([...keys]),
    has: (key) => keyv.has(key),
    set: (key, value, ttl) => keyv.set(key, value, ttl),
    setMany: async (entries, ttl) =>
      (await keyv.setMany(entries.map(([key, value]) => ({ key, value, ...(ttl && { ttl }) })))) as boolean[],
    delete: (key) => keyv.delete(key),
    failures: () => 0,
    status: () => (keyv.store as { status: string }).status,
    disconnect: () => keyv.disconnect(),
  };
}
