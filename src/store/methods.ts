import type { ClearOptions, Entries, WriteOptions } from '../cache/call-options.js';
import type { ReencodeOptions, ReencodeProgress } from '../cache/reencode.js';
import type { CounterOptions } from '../cache/updates.js';
import type { Lock, LockOptions } from '../lock/lock.js';
import type { StatsOptions, StoreStats } from '../telemetry/stats.js';
import type { Milliseconds, Ttl } from '../ttl.js';
import type { LoadMethods } from './load-methods.js';

/** The methods of a store, documented once. */
export interface StoreMethods extends LoadMethods {
  /**
   * The value under the key, or `undefined`. An entry past its `ttl` is a miss, also while `getOrSet` may still serve it. Redis: GET.
   * Fails open: a miss and an `error` event.
   * @example const user = await store.get<User>('user:1');
   */
  get<T>(key: string): Promise<T | undefined>;

  /**
   * The values under the keys, in their order, `undefined` for a miss. Redis: MGET. Fails open.
   * @example const [one, two] = await store.mget('user:1', 'user:2');
   */
  mget(...keys: string[]): Promise<unknown[]>;

  /**
   * Stores a value. A value that is `undefined`, that `isCacheable` refuses or that cannot be encoded is not stored, and the entry that it was
   * to replace is deleted. Redis: SET with PX. Fails open: nothing is stored, and an `error` event says so.
   *
   * @param how time to live, milliseconds or text such as `'5m'`; `0`, `null` or `Infinity` for an entry that never expires; default: the option
   * `ttl`. Or `{ ttl, expireAt, keepTtl, tags }`
   * @example await store.set('user:1', user, 60_000);
   */
  set(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<void>;

  /**
   * Stores many entries as `set` does, pipelined without a transaction. Redis: SET with PX. Fails open, entry by entry.
   *
   * @param entries pairs of key and value, as an array, a Map or another iterable, or a record
   * @example await store.mset({ 'user:1': one, 'user:2': two }, 60_000);
   */
  mset(entries: Entries, how?: Ttl | WriteOptions): Promise<void>;

  /**
   * Deletes the entry. Redis: UNLINK, one for the deletions of a tick. Fails loud, so that no invalidation is lost unnoticed.
   * @example await store.del('user:1');
   */
  del(key: string): Promise<void>;

  /** Deletes many entries. Redis: UNLINK. Fails loud: the `keys` of the error are those that were not reached, on whatever node. */
  mdel(...keys: string[]): Promise<void>;

  /** Deletes the entries of this store and nothing else: `clear()`. */
  reset(): Promise<void>;

  /**
   * Deletes the entries of this store: those under its prefix and version, nothing else. `{ version }` deletes those of another version
   * instead, `{ allVersions: true }` those of all. Redis: SCAN and UNLINK, in batches. Fails loud.
   *
   * `{ lazy: true }` makes them misses by one UNLINK, however many there are, and deletes them in the background. Later writes stay.
   *
   * @throws {UnsupportedError} for `lazy` without the option `lazyClear`
   * @throws {ArgumentError} for an unknown name, and for an invalid `version`, `undefined` included
   * @example await store.clear({ version: 1 });
   */
  clear(options?: ClearOptions): Promise<void>;

  /**
   * All keys as callers gave them, or those that match a Redis glob pattern, each once. Keys stored under a digest (`hashLongKeys`) cannot be
   * listed. It needs memory for all of them; `iterate` does not. Redis: SCAN. Fails loud: a shortened list would look complete.
   */
  keys(pattern?: string): Promise<string[]>;

  /** The same keys page by page. One that exists throughout comes at least once, and may come twice while Redis resizes its table. */
  iterate(pattern?: string): AsyncGenerator<string, void, undefined>;

  /** Deletes the keys that match a Redis glob pattern. Redis: SCAN and UNLINK, in batches. Fails loud. @returns how many */
  delPattern(pattern: string): Promise<number>;

  /** Whether `set` would store the value. */
  isCacheable(value: unknown): boolean;

  /** Whether the key exists. Redis: EXISTS, whose cost does not depend on the value. Fails open: `false`. */
  has(key: string): Promise<boolean>;

  /** Milliseconds until the key expires; `-1`: never; `-2`: the key does not exist. Redis: PTTL. Fails open: `-2`. */
  ttl(key: string): Promise<Milliseconds>;

  /**
   * Sets a new time to live, or the default without one; a `ttl` function receives `undefined`. An entry with a stale window keeps it after its
   * new time. Redis: PEXPIRE or PERSIST, in a script. Fails loud. @returns whether the key exists
   */
  touch(key: string, ttl?: Ttl): Promise<boolean>;

  /**
   * Removes the time to live, so that the entry never expires; under `maxTtl` the entry gets that. Redis: PERSIST. Fails loud.
   *
   * @returns whether there was a time to live; under `maxTtl`, whether the key exists
   */
  persist(key: string): Promise<boolean>;

  /**
   * The value under the key, whose time to live is renewed: what sessions need. An entry past its `ttl` is a miss and stays so. Redis: GET, and
   * PEXPIRE or PERSIST, in a script (GETEX knows no stale window). Fails open: a miss and an `error` event.
   *
   * @param ttl the new time to live; default: that of the store
   * @example const session = await store.getAndTouch<Session>(id, '30m');
   */
  getAndTouch<T>(key: string, ttl?: Ttl): Promise<T | undefined>;

  /**
   * Ends the time to live of an entry. `get` misses it at once; `getOrSet` serves it while it is renewed, for as long as its `staleFor` allows.
   * An entry without a stale window is deleted. Loads under way are overtaken, as by `del`. Redis: PEXPIRE or DEL, in a script. Fails loud; with
   * `invalidations: 'queue'` a deletion waits instead while Redis is away. @returns whether there was an entry
   */
  expire(key: string): Promise<boolean>;

  /**
   * Stores the value if `get` would find none, atomically. Redis: SET NX; over an entry that is stale or whose tag was invalidated, a
   * compare-and-set script. Fails loud. @returns whether it was stored
   */
  add(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean>;

  /**
   * Adds to an integer, atomically. The time to live stays. Redis: INCRBY, in a script. Fails loud.
   *
   * @returns the sum; with `initial`, a missing key counts from there: `incr('hits', 1, { initial: 0 })` gives 1
   * @throws {MissingKeyError} if the key does not exist and there is no `initial`
   * @throws {CommandError} if the value is not an integer, or the sum leaves the exact range (±2^53)
   * @throws {UnsupportedError} under `encryption` and `lazyClear`
   * @example const hits = await store.incr('hits', 1, { initial: 0 });
   */
  incr(key: string, delta?: number, options?: CounterOptions): Promise<number>;

  /** Subtracts from an integer, as `incr` adds. */
  decr(key: string, delta?: number, options?: CounterOptions): Promise<number>;

  /** Takes the value out, atomically, a stale one included. Redis: GETDEL, and UNLINK of the lease of a load. Fails loud. */
  getAndDelete<T>(key: string): Promise<T | undefined>;

  /**
   * Makes every entry with one of the tags a miss, at once and for every process. The entries stay in Redis until they expire or are written
   * again. Redis: UNLINK of one key for each tag. Fails loud.
   * @example await store.invalidateTags(['user:1']);
   */
  invalidateTags(tags: readonly string[]): Promise<void>;

  /**
   * Ends the time to live of every entry with one of the tags, as `expire` does for one: `get` misses them, and `getOrSet` serves those with a
   * stale window while they are renewed, from their first read on for as long as it is. Expired twice, they are misses. Redis: a script for each
   * tag. Fails loud; with `invalidations: 'queue'` an invalidation waits instead while Redis is away.
   */
  expireTags(tags: readonly string[]): Promise<void>;

  /**
   * Acquires a lock by name: a lease on one Redis, renewed while this process lives. It has nothing to do with the entry of that key, and
   * is the same in all versions of the prefix. Redis: SET NX PX, in a script. Fails loud.
   *
   * @throws {LockError} if another caller holds it for longer than `wait`
   * @throws {UnsupportedError} if a function of yours makes the keys, and on a store that stores nothing
   */
  lock(key: string, options?: LockOptions): Promise<Lock>;

  /**
   * Runs the work under the lock, and releases it however the work ends. Rejects as the work does; with a LockError if the work succeeded and
   * the lock was lost meanwhile: look at `lock.signal` while it runs.
   * @example await store.withLock('report', () => writeReport(), { wait: 5_000 });
   */
  withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T>;

  /**
   * Moves the entry to another version: that of this store plus `delta`. It keeps its time to live. Redis: GETRANGE, RENAME. Fails loud.
   *
   * @returns the new version
   * @throws {MissingKeyError} if the key does not exist
   * @throws {UnsupportedError} under `encryption`, which binds an entry to its key, and for an entry with tags
   */
  incrVersion(key: string, delta?: number): Promise<number>;

  /**
   * Rewrites every entry with the current serializer, compression and encryption key. Entries keep their time to live; one that changes
   * meanwhile keeps its newer value, and one whose value would not come back the same stays. Yields its progress after every page, with a
   * cursor from which a later call goes on. Redis: SCAN, MGET, and a compare-and-set script. Fails loud.
   */
  reencode(options?: ReencodeOptions): AsyncGenerator<ReencodeProgress, void, undefined>;

  /**
   * Deletes entries that lazy clears have left, a page at a time. A lazy clear starts it by itself; call it for what a process that ended
   * could not finish. Redis: SCAN, GETRANGE, and a script that deletes an unchanged entry. Fails loud. @returns how many
   */
  sweep(): Promise<number>;

  /** What the store has done so far, and its state now. Sends nothing. `{ reset: true }` starts from zero afterwards. */
  stats(options?: StatsOptions): StoreStats;

  /**
   * Connects, for applications that fail at start-up if Redis cannot be reached.
   *
   * @throws {ConnectionError} with the reason: refused, wrong password …
   * @throws {TimeoutError} if Redis does not answer within `timeout`
   */
  ready(): Promise<void>;

  /** Checks that Redis answers within `timeout`. Redis: PING. */
  ping(): Promise<void>;

  /**
   * Waits for calls in flight, at most `timeout` milliseconds, and closes the connections that this store opened. Idempotent. Afterwards
   * reads are misses, and methods that fail loud reject with a ClosedError.
   */
  disconnect(): Promise<void>;
}
