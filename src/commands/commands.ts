import type { Stored } from '../codec/codec.js';
import type { Milliseconds, WireTtl } from '../ttl.js';

/** One entry to be written. */
export interface Entry<Value = Stored> {
  readonly key: string;
  readonly value: Value;
  readonly ttl: WireTtl;
}

/** What {@link Commands.pttl} answers for a key that never expires, and for one that is not there: Redis's own numbers. */
export const never = -1;
export const missing = -2;

/**
 * The Redis verbs a cache needs, on wire keys and bytes. Batching, a near cache and the engines that run in this process
 * are other implementations of this interface. Every method rejects when Redis cannot be asked or refuses.
 */
export interface Commands<Value = Stored> {
  /** GET */
  get(key: string): Promise<Stored | null>;
  /** MGET, in the order of the keys. */
  getMany(keys: readonly string[]): Promise<(Stored | null)[]>;
  /** SET with PX */
  set(key: string, value: Value, ttl: WireTtl): Promise<unknown>;
  /** SET for each, in one pipeline without a transaction: what happened to each, in order. */
  setMany(entries: readonly Entry<Value>[]): Promise<PromiseSettledResult<unknown>[]>;
  /** SET with NX: whether it was stored. */
  add(key: string, value: Value, ttl: WireTtl): Promise<boolean>;
  /** SET with KEEPTTL where the key still holds `expected`, atomically: whether it did. */
  replace(key: string, expected: Stored, value: Stored): Promise<boolean>;
  /** UNLINK: how many were there. */
  del(keys: readonly (string | Buffer)[]): Promise<number>;
  /** UNLINK for each, in one pipeline: whether it was there, in order. */
  delEach(keys: readonly string[]): Promise<boolean[]>;
  /** GETDEL */
  getAndDelete(key: string): Promise<Stored | null>;
  /** EXISTS */
  has(key: string): Promise<boolean>;
  /** EXISTS for each, in one pipeline, in order. */
  hasMany(keys: readonly string[]): Promise<boolean[]>;
  /** PTTL: milliseconds, {@link never} or {@link missing}. */
  pttl(key: string): Promise<Milliseconds>;
  /** PTTL for each, in one pipeline, in order. */
  pttlMany(keys: readonly string[]): Promise<Milliseconds[]>;
  /** PEXPIRE, or PERSIST for an entry that shall never expire: whether the key exists. */
  expire(key: string, ttl: WireTtl): Promise<boolean>;
  /** PERSIST: whether there was a time to live to take away. */
  persist(key: string): Promise<boolean>;
  /** INCRBY. A missing key counts from `initial`, or gives `undefined` where there is none. */
  incrBy(key: string, delta: number, initial: number | undefined, ttl: WireTtl): Promise<number | undefined>;
  /** RENAME: whether the key existed. */
  rename(from: string, to: string): Promise<boolean>;
  /**
   * SCAN, a page at a time, on every primary. A key may come twice. `cursor` starts or resumes the scan; each page carries
   * the cursor of the one after it.
   */
  scan(glob: string, cursor?: string): AsyncGenerator<Page, void, undefined>;
  /** PING */
  ping(): Promise<void>;
}

export interface Page {
  /** As bytes where they are no UTF-8, which no key of ours is. */
  readonly keys: readonly (string | Buffer)[];
  /** Where the scan goes on; `'0'` after the last page. */
  readonly next: string;
}
