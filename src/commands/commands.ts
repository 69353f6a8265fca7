import type { ReadEntry, Stored } from '../codec/entry.js';
import type { KeptTtl, Milliseconds, RedisTtl } from '../ttl.js';

export interface NewEntry<Value = Stored> {
  readonly key: string;
  readonly value: Value;
  readonly ttl: RedisTtl;
}

/** An entry to be set, which may keep the time of the one before it. */
export interface SetEntry<Value = Stored> extends Omit<NewEntry<Value>, 'ttl'> {
  readonly ttl: RedisTtl | KeptTtl;
}

/** What a key holds, and how long it still lives in Redis: milliseconds, {@link never} or {@link missing}. */
export interface StoredWithTtl {
  readonly entry: ReadEntry;
  readonly left: Milliseconds;
}

/** On what condition the holder of a lease writes. */
export interface LeaseClaim {
  /** The key of the lease, in the slot of the entry's key. */
  readonly lease: string;
  readonly token: string;
  /** SHA-1, in hexadecimal, of the bytes that the load began with; `''` if there were none. */
  readonly digest: string;
  /** Whether the entry may have expired since then. */
  readonly mayBeGone: boolean;
}

/** A lease to be claimed. */
export interface NewLease {
  readonly token: string;
  readonly time: Milliseconds;
  readonly urgent: boolean;
  /** Whether the lease of a load that is not fresh is taken over: what that one makes is of before. */
  readonly fresh: boolean;
}

/** What a load leaves in place of its lease when it ends without a value that other processes could read. */
export interface LeaseMark {
  readonly text: string;
  /** How long it stays. */
  readonly time: Milliseconds;
}

/** What every mark begins with, and no token does. The next character says how the load ended; without one, its refresh failed. */
export const markStart = '!';
/** What the tokens of fresh loads begin with. */
export const freshStart = '+';

/** For each key the key of its lease, if it can have one. */
export type Leases = readonly (string | undefined)[];

export interface UnlinkOptions {
  /** The leases of the keys, in the same order. They are deleted first and not counted. */
  readonly leases?: Leases | undefined;
  /** False if no caller needs the count: then leases and keys share a command, and single deletions of a tick do too. Default true. */
  readonly counted?: boolean | undefined;
  /** Whether a scan found the keys: then the operation that scans fails or waits as a whole, not each deletion. Default false. */
  readonly scanned?: boolean | undefined;
}

/** What PTTL answers for a key that never expires, and for one that does not exist. */
export const never = -1;
export const missing = -2;

/** The tokens of leases are shorter. Longer values are not ours, and are not passed on. */
export const maxIdLength = 64;

/** Why a tag cannot be used. */
export const noGeneration = 'the key of a tag holds something else than a generation';

/** The bytes in which nearly every list of tags ends. */
export const prefixLength = 512;

/** Keys in one command or pipeline: enough to make round trips rare, few enough to keep every step well inside its deadline. */
export const batchSize = 1000;

/**
 * The Redis commands a cache needs, on keys and bytes of Redis. `redis.ts` sends them, `memory.ts` and `local.ts` answer them in the
 * process, and the wrappers add tracing, order, batching, the delete queue and the near tier. Each rejects if Redis cannot be reached or
 * refuses. `verbs.ts` describes each as data, for the wrappers.
 */
export interface Commands<Value = Stored> {
  get(key: string): Promise<ReadEntry>;
  /** `from`: a primary answers, also where replicas are read. */
  getMany(keys: readonly string[], from?: 'primary'): Promise<ReadEntry[]>;
  /** PTTL, then GET, in one write: the value may be newer than its time left, never older. */
  getWithTtl(key: string): Promise<StoredWithTtl>;
  /** A time that is kept is that of a fresh entry: a stale window does not count. */
  set(key: string, value: Value, ttl: RedisTtl | KeptTtl): Promise<unknown>;
  /** One pipeline without a transaction. @returns what happened to each */
  setMany(entries: readonly SetEntry<Value>[]): Promise<PromiseSettledResult<unknown>[]>;
  /** SET NX. @returns whether it was stored */
  add(key: string, value: Value, ttl: RedisTtl): Promise<boolean>;
  /** Stores atomically if the key still holds `expected`. @returns whether it did */
  replace(key: string, expected: Stored, value: Stored, ttl: RedisTtl | 'keep'): Promise<boolean>;
  /** @returns how many of the keys existed */
  unlink(keys: readonly (string | Buffer)[], options?: UnlinkOptions): Promise<number>;
  /** One command for each key, pipelined, after the leases. @returns whether each key existed */
  unlinkEach(keys: readonly string[], leases?: Leases): Promise<boolean[]>;
  /** Deletes each whose value still begins with these bytes, or still is these (`isWhole`), atomically. @returns how many */
  unlinkUnchanged(entries: readonly { readonly key: string; readonly prefix: Buffer; readonly isWhole?: boolean }[]): Promise<number>;
  /** Deletes the lease first, over the same connection. */
  getAndDelete(key: string, lease?: string): Promise<ReadEntry>;
  /** GET, and `expire` for an entry that is found and has no tags, in a script. A stale one is missing, and keeps its time. */
  getAndExpire(key: string, ttl: RedisTtl): Promise<ReadEntry>;
  /**
   * `expire` for an entry that is as it was read, fresh still, and not without an end. `'stale'` leaves its stale window alone. `digest`: of
   * its bytes. @returns whether it is as it was
   */
  expireUnchanged(key: string, digest: string, ttl: RedisTtl | 'stale'): Promise<boolean>;
  /** Ends the time to live: leaves the stale window of an entry that has one, and deletes another, after the lease. @returns whether there was one */
  expireNow(key: string, lease?: string): Promise<boolean>;
  /** The first bytes of each value; `null` for a missing or empty one, and for one that is not a string. */
  prefixes(keys: readonly string[], length: number): Promise<(Buffer | null)[]>;
  has(key: string): Promise<boolean>;
  hasMany(keys: readonly string[]): Promise<boolean[]>;
  /** Milliseconds, {@link never} or {@link missing}. */
  pttl(key: string): Promise<Milliseconds>;
  pttlMany(keys: readonly string[]): Promise<Milliseconds[]>;
  /**
   * PEXPIRE or PERSIST, in a script; an entry with a stale window keeps it after its time to live. @returns `null` if the key is missing,
   * else the first bytes of a value with a header, or no bytes
   */
  expire(key: string, ttl: RedisTtl): Promise<Buffer | null>;
  /**
   * The generation of a tag. Without one, `id` becomes it; one that would expire before `ttl` lives for `ttl`. Without `id` it is only
   * extended, and the answer is `undefined` if there is none. Rejects if the key holds something else than a generation.
   */
  ensureGeneration(key: string, id: string | undefined, ttl: RedisTtl): Promise<string | undefined>;
  /** Puts the id in front of the generation of a tag, if there is one: entries of that one are stale. */
  expireGeneration(key: string, id: string): Promise<void>;
  /** @returns whether there was a time to live to remove */
  persist(key: string): Promise<boolean>;
  /** A missing key counts from `initial`, or gives `undefined` without one. */
  incrBy(key: string, delta: number, initial: number | undefined, ttl: RedisTtl): Promise<number | undefined>;
  /**
   * Claims the lease of an entry, unless a load holds it. A mark of an ended load is replaced; one of a failed refresh only for `urgent`
   * callers.
   *
   * @returns if the token now holds the lease, whether the entry exists; else what the key holds, `''` if that is no lease: it never expires,
   * or is too long
   */
  claim(lease: string, key: string, claim: NewLease): Promise<boolean | string>;
  /** Stores, and ends the lease, if the token holds it and the key is as the load saw it. @returns whether it was stored */
  setUnderLease(entry: NewEntry<Value>, claim: LeaseClaim): Promise<boolean>;
  /** Deletes, and replaces the lease with the mark, if the token holds it and the key is as the load saw it. @returns whether it was deleted */
  unlinkUnderLease(key: string, claim: Omit<LeaseClaim, 'mayBeGone'>, mark: LeaseMark): Promise<boolean>;
  /** Extends a lease or lock. @returns whether the token holds it */
  renew(key: string, token: string, time: Milliseconds): Promise<boolean>;
  /** Ends a lease or lock; a `mark` replaces it. @returns whether the token held it */
  release(key: string, token: string, mark?: LeaseMark): Promise<boolean>;
  /**
   * Takes a lock.
   *
   * @returns the fencing token; `undefined` if another token holds the lock
   * @throws {LockError} if the key of the counter holds something else than a token
   */
  acquire(lock: string, fence: string, token: string, time: Milliseconds): Promise<number | undefined>;
  /** @returns whether the key existed */
  rename(from: string, to: string): Promise<boolean>;
  /** SCAN of every primary, a page at a time. A key may come twice. `cursor`: the `next` of a page of an earlier scan. */
  scan(glob: string, cursor?: string): AsyncGenerator<Page, void, undefined>;
  ping(): Promise<void>;
}

export interface Page {
  /** As bytes if they are not UTF-8, which no key of ours is. */
  readonly keys: readonly (string | Buffer)[];
  /** The cursor of the next page; `'0'` after the last one. */
  readonly next: string;
}

/** Commands that accept values which are still being encoded. */
export interface OrderedCommands extends Commands<Stored | Promise<Stored>> {
  /** Resolves when every value that is being encoded now was sent. */
  idle(): Promise<unknown>;
  /** Left out without tracking. */
  readonly tracked?: TrackedReads;
}

/** Reads over a connection that tracks. */
export interface TrackedReads {
  /** GET for a load: PTTL, which the near tier needs to keep the answer, is sent only for an entry that exists, and not waited for. */
  get(key: string): Promise<ReadEntry>;
  /** Watches the keys; `undefined` while the server does not track. The caller ends it. */
  watch(keys: readonly string[]): Watch | undefined;
}

/** Begun before the keys are read, so that no change falls between reading and waiting. */
export interface Watch {
  /** Aborted when one of the keys may have changed, or the server no longer tracks. */
  readonly signal: AbortSignal;
  /** MGET. The next change after its answer is tracked. */
  read(): Promise<ReadEntry[]>;
  end(): void;
}
