import type { Stored } from '../codec/codec.js';
import type { Milliseconds, WireTtl } from '../ttl.js';
import type { Mark } from './leases.js';

/** One entry to be written. */
export interface Entry<Value = Stored> {
  readonly key: string;
  readonly value: Value;
  readonly ttl: WireTtl;
}

/** An entry as it stands, and what is left of its time to live. */
export interface Standing {
  readonly stored: Stored | null;
  /** Milliseconds, {@link never} or {@link missing}. */
  readonly left: Milliseconds;
}

/** On what terms {@link Commands.fill} stores. */
export interface Claim {
  /** The key of the lease, in the slot of the entry's. */
  readonly lease: string;
  readonly token: string;
  /** SHA-1, in hexadecimal, of the bytes that the load began with; `''` where there were none. */
  readonly seen: string;
  /** Whether the entry may have ended by itself since then. */
  readonly mayBeGone: boolean;
}

/** For each key the key of its lease, where it can have one. */
export type Leases = readonly (string | undefined)[];

/** What {@link Commands.pttl} answers for a key that never expires, and for one that is not there: Redis's own numbers. */
export const never = -1;
export const missing = -2;

/** Bytes in which nearly every header of tags ends. */
export const headLength = 512;

/**
 * The Redis verbs a cache needs, on wire keys and bytes. Batching, a near cache and the engines that run in this process
 * are other implementations of this interface. Every method rejects when Redis cannot be asked or refuses.
 */
export interface Commands<Value = Stored> {
  /** GET */
  get(key: string): Promise<Stored | null>;
  /** MGET, in the order of the keys. */
  getMany(keys: readonly string[]): Promise<(Stored | null)[]>;
  /**
   * PTTL and GET, in this order and in one write: where another client writes between the two, the value is newer than its time
   * left says, and never older.
   */
  getWithTtl(key: string): Promise<Standing>;
  /** SET with PX */
  set(key: string, value: Value, ttl: WireTtl): Promise<unknown>;
  /** SET for each, in one pipeline without a transaction: what happened to each, in order. */
  setMany(entries: readonly Entry<Value>[]): Promise<PromiseSettledResult<unknown>[]>;
  /** SET with NX: whether it was stored. */
  add(key: string, value: Value, ttl: WireTtl): Promise<boolean>;
  /** SET with PX, or KEEPTTL, where the key still holds `expected`, atomically: whether it did. */
  replace(key: string, expected: Stored, value: Stored, ttl: WireTtl | 'keep'): Promise<boolean>;
  /**
   * UNLINK: how many were there. The leases of the keys, in the same order, go before them and do not count; where nobody wants to
   * know how many there were (`uncounted`), in one command with them.
   */
  del(keys: readonly (string | Buffer)[], leases?: Leases, uncounted?: boolean): Promise<number>;
  /** UNLINK, together with its lease, where nobody asks whether it was there: deletions of one tick can leave as one. */
  drop(key: string, lease?: string): Promise<unknown>;
  /** UNLINK of keys that a scan found: how many were there. */
  sweep(keys: readonly (string | Buffer)[]): Promise<number>;
  /** GETRANGE for each, in one pipeline: the first bytes of the values, `null` where there is nothing, or something that is no string. */
  heads(keys: readonly string[], length: number): Promise<(Buffer | null)[]>;
  /** UNLINK of those whose values still begin with these bytes, each atomically: how many they were. */
  sweepHeads(entries: readonly { readonly key: string; readonly head: Buffer }[]): Promise<number>;
  /** UNLINK for each, in one pipeline: whether it was there, in order. The leases go before them. */
  delEach(keys: readonly string[], leases?: Leases): Promise<boolean[]>;
  /** GETDEL. The lease is deleted before it, over the same connection. */
  getAndDelete(key: string, lease?: string): Promise<Stored | null>;
  /** EXISTS */
  has(key: string): Promise<boolean>;
  /** EXISTS for each, in one pipeline, in order. */
  hasMany(keys: readonly string[]): Promise<boolean[]>;
  /** PTTL: milliseconds, {@link never} or {@link missing}. */
  pttl(key: string): Promise<Milliseconds>;
  /** PTTL for each, in one pipeline, in order. */
  pttlMany(keys: readonly string[]): Promise<Milliseconds[]>;
  /**
   * PEXPIRE, or PERSIST for an entry that never expires, in a script; an entry with a stale window keeps it behind its time to live. `null`
   * where there is no such key. Else the first bytes of the value where it may carry tags, and no bytes where it does not.
   */
  expire(key: string, ttl: WireTtl): Promise<Buffer | null>;
  /**
   * GET of what a tag is now, in a script that makes it `id` where there is nothing, and extends its time to live to `ttl` where it is shorter.
   * Without `id` it only extends, and answers `undefined` where there is nothing.
   */
  stamp(key: string, id: string | undefined, ttl: WireTtl): Promise<string | undefined>;
  /** PERSIST: whether there was a time to live to take away. */
  persist(key: string): Promise<boolean>;
  /** INCRBY. A missing key counts from `initial`, or gives `undefined` where there is none. */
  incrBy(key: string, delta: number, initial: number | undefined, ttl: WireTtl): Promise<number | undefined>;
  /**
   * SET with PX of a lease, in a script, where no load holds it; a mark that a load has left is taken over. One that says that a renewal
   * rests is taken over only by `urgent` callers, which have nothing to serve.
   *
   * @returns what stands in the way, `''` if it never lapses and so is no lease; `undefined` for a lease that is now held under this token
   */
  claim(lease: string, token: string, time: Milliseconds, urgent: boolean): Promise<string | undefined>;
  /**
   * SET with PX by the holder of a lease, and the end of the lease, in a script: only where the token still holds and the key is
   * as the load saw it. Whether it was stored.
   */
  fill(entry: Entry<Value>, claim: Claim): Promise<boolean>;
  /**
   * UNLINK by the holder of a lease, which becomes the mark, in a script: only where the token still holds, and the key only where it is
   * as the load saw it. Whether it was deleted.
   */
  retire(key: string, claim: Pick<Claim, 'lease' | 'token' | 'seen'>, mark: Mark): Promise<boolean>;
  /** PEXPIRE of a lease or lock that this token holds, in a script: whether it does. */
  renew(key: string, token: string, time: Milliseconds): Promise<boolean>;
  /** DEL of a lease or lock that this token holds, in a script; a `mark` takes its place. Whether it held. */
  release(key: string, token: string, mark?: Mark): Promise<boolean>;
  /** SET NX PX of a lock and the next fencing token, in a script; `undefined` where somebody else holds it. */
  acquire(lock: string, fence: string, token: string, time: Milliseconds): Promise<number | undefined>;
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
