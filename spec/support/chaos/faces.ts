import { type RedisStore, redisStore, type StoreOptions } from '../../../src/index.js';
import { createKeyv, type KeyvRedisOptions, type KeyvRedisStore } from '../../../src/keyv.js';
import { cacheOf } from '../internals.js';
import type { StoreUnderLoad } from './topology.js';
import type { Reader, Terms, Value } from './what-happened.js';

/** What only a store has: entries with tags, and such as are served past their time while a new one is made. */
export interface Dependent {
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  set(key: string, value: Value, terms: Terms): Promise<boolean>;
  getOrSet(key: string, make: () => Value, terms: Terms): Promise<unknown>;
  invalidate(tags: readonly string[]): Promise<unknown>;
}

/** What the load needs of a store or a Keyv: writes and deletions say whether they happened. */
export interface Face extends Reader {
  readonly title: string;
  /** The keys it is asked for. A Keyv has entries of its own, so it has other keys than a store. */
  readonly keys: readonly string[];
  /** Whether reads and writes reject where they fail. */
  readonly throwing: boolean;
  /** How many operations of ours one read may take. Keyv deletes what expires on its way here before it answers. */
  readonly operations: number;
  get(key: string): Promise<unknown>;
  getMany(keys: readonly string[]): Promise<readonly unknown[]>;
  has(key: string): Promise<boolean>;
  /** False, or a rejection: it is not known whether it was stored. */
  set(key: string, value: Value, ttl?: number): Promise<boolean>;
  setMany(entries: readonly (readonly [key: string, value: Value])[], ttl?: number): Promise<readonly boolean[]>;
  /** A rejection: it is not known whether it is gone. */
  delete(key: string): Promise<unknown>;
  getOrSet?(key: string, make: () => Value, ttl?: number): Promise<unknown>;
  readonly dependent?: Dependent;
  /** How often an operation has told of a failure, of this key or of any. */
  failures(operation: string, key?: string): number;
  /** How often Redis has refused a deletion of this key, which therefore does not wait. */
  refusals(key: string): number;
  /** How often a load has waited for another store to make the value. */
  leaseWaits(): number;
  status(): string;
  disconnect(): Promise<void>;
}

/** Opens it. Every other store throws what fails, the rest answer with misses. */
export function openFace(
  { title, face, options, behind = false, staleness = 0, ordered = true }: StoreUnderLoad,
  own: StoreOptions & { prefix: string },
  throwing: boolean,
): Face {
  if (face === 'keyv') return keyvFace(title, { ...options, ...own, namespace: own.prefix });
  const store = redisStore({ ...options, ...own, onFailure: throwing ? 'throw' : 'miss' });
  return { ...storeFace(store, throwing), title, throwing, keys: keysOf('store', 12), operations: 1, behind, staleness, ordered };
}

const keysOf = (face: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${face}${i}`);

type Own = 'title' | 'keys' | 'throwing' | 'operations' | 'behind' | 'staleness' | 'ordered';

function storeFace(store: RedisStore, throwing: boolean): Omit<Face, Own> {
  return {
    dependent: {
      keys: keysOf('dependent', 6),
      tags: ['red', 'green', 'blue'],
      set: throwing
        ? (key, value, { ttl, tags }) => store.set(key, value, { ttl, tags }).then(() => true)
        : (key, value, { ttl, tags }) => cacheOf(store).writer.set(key, value, { ttl, tags }),
      getOrSet: (key, make, terms) => store.getOrSet(key, make, terms),
      invalidate: (tags) => store.invalidateTags(tags),
    },
    get: (key) => store.get(key),
    getMany: (keys) => store.mget(...keys),
    has: (key) => store.has(key),
    set: throwing
      ? (key, value, ttl) => store.set(key, value, ttl).then(() => true)
      : (key, value, ttl) => cacheOf(store).writer.set(key, value, ttl),
    setMany: throwing
      ? (entries, ttl) => store.mset(entries, ttl).then(() => entries.map(() => true))
      : (entries, ttl) => cacheOf(store).writer.setMany(entries.map(([key, value]) => [key, value, ttl] as const)),
    delete: (key) => store.del(key),
    getOrSet: (key, make, ttl) => store.getOrSet(key, make, ttl),
    ...failuresOf(store, 'del'),
    leaseWaits: () => store.stats().leaseWaits,
    status: () => store.status,
    disconnect: () => store.disconnect(),
  };
}

/** Counts `error` events by operation, and by operation and key. `deletion`: how the face names one. */
function failuresOf(emitter: RedisStore | KeyvRedisStore, deletion: 'del' | 'delete'): Pick<Face, 'failures' | 'refusals'> {
  const failures = new Map<string, number>();
  const named = (operation = '', key = '*'): string => `${operation} ${key}`;
  const count = (name: string): unknown => failures.set(name, (failures.get(name) ?? 0) + 1);
  const counted = (operation: string, key?: string): number => failures.get(named(operation, key)) ?? 0;
  emitter.on('error', ({ operation, key, code }: { operation?: string; key?: string; code?: string }) => {
    count(named(operation));
    if (key === undefined) return;
    count(named(operation, key));
    if (operation === deletion && code === 'ERR_PERMISSION') count(named('refused', key));
  });
  return {
    failures: (operation, key) => counted(operation === 'del' ? deletion : operation, key),
    refusals: (key) => counted('refused', key),
  };
}

function keyvFace(title: string, options: KeyvRedisOptions): Face {
  const keyv = createKeyv(options);
  keyv.on('error', () => {});
  return {
    title,
    keys: keysOf('keyv', 12),
    throwing: false,
    operations: 2,
    behind: false,
    staleness: 0,
    ordered: true,
    get: (key) => keyv.get(key),
    getMany: (keys) => keyv.getMany([...keys]),
    has: (key) => keyv.has(key),
    set: (key, value, ttl) => keyv.set(key, value, ttl),
    setMany: async (entries, ttl) =>
      (await keyv.setMany(entries.map(([key, value]) => ({ key, value, ...(ttl && { ttl }) })))) as boolean[],
    delete: (key) => keyv.delete(key),
    ...failuresOf(keyv.store as KeyvRedisStore, 'delete'),
    leaseWaits: () => 0,
    status: () => (keyv.store as { status: string }).status,
    disconnect: () => keyv.disconnect(),
  };
}
