import type { Stored, TagGenerations } from '../codec/entry.js';
import type { MaybePromise } from '../codec/serializers.js';
import type { Leases, NewEntry } from '../commands/commands.js';
import { ArgumentError, CacheError, CodecError, ConnectionError, OutOfMemoryError, PermissionError, TooLargeError } from '../errors.js';
import { performance } from '../time/clock.js';
import { waitAtMost } from '../time/deadlines.js';
import { pause, unawaited } from '../time/waiting.js';
import type { Ttl } from '../ttl.js';
import { allTags, parseWriteOptions, type WriteOptions } from './call-options.js';
import type { CacheContext } from './context.js';
import type { FailurePolicy } from './failure.js';
import type { Tags } from './tags.js';

/** An entry to be written, whose value may still be encoded. */
export type EncodingEntry = NewEntry<MaybePromise<Stored>> & { readonly isTagged: boolean };

/** Keys in Redis, and the keys of their leases. */
export interface Targets {
  readonly redisKeys: string[];
  readonly leases: Leases;
}

/** Stores and deletes entries. */
export class Writer {
  readonly #context: CacheContext;
  readonly #tags: Tags;
  readonly #policy: FailurePolicy;
  readonly #outdated: Outdated;

  constructor(context: CacheContext, tags: Tags, policy: FailurePolicy) {
    this.#context = context;
    this.#tags = tags;
    this.#policy = policy;
    this.#outdated = new Outdated(context, policy, (keys) => this.targets(keys));
  }

  /** @returns whether it was stored. A value that is not stored deletes the entry that it was to replace. */
  set(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    let entry: EncodingEntry | undefined;
    try {
      entry = this.entry(key, value, how);
    } catch (error) {
      return unawaited(this.#notStored(key, error));
    }
    return this.#policy.writing(entry === undefined ? this.#notStored(key) : this.#store(key, entry));
  }

  #store(key: string, { key: redisKey, value, ttl }: EncodingEntry): Promise<boolean> {
    this.#context.loads.forget(redisKey);
    return this.#context.commands.set(redisKey, value, ttl).then(
      () => true,
      (error: unknown) => {
        // A value that failed to encode later has had its turn as a deletion: a later write may have been sent since.
        return error instanceof CodecError ? this.#policy.recover({ name: 'set', key }, error, false) : this.#notStored(key, error);
      },
    );
  }

  /** Deletes what a value was to replace; `error`: why it was not stored, if that is a failure. */
  async #notStored(key: string, error?: unknown): Promise<boolean> {
    const isOutdated = error === undefined || this.#outdated.isLeftBy(error);
    const unlinked = isOutdated ? this.#outdated.unlink([key], 'set', error) : undefined;
    try {
      return error === undefined ? false : this.#policy.recover({ name: 'set', key }, error, false);
    } finally {
      await unlinked;
    }
  }

  /** The same for many, entry by entry. @returns whether each was stored */
  setMany(
    entries: readonly (readonly [key: string, value: unknown, how?: Ttl | WriteOptions])[],
    operation = 'setMany',
  ): Promise<boolean[]> {
    return unawaited(this.#setMany(entries, operation));
  }

  async #setMany(
    entries: readonly (readonly [key: string, value: unknown, how?: Ttl | WriteOptions])[],
    operation: string,
  ): Promise<boolean[]> {
    const stored = entries.map(() => false);
    const encoding: EncodingEntry[] = [];
    const positions: number[] = [];
    const outdated: string[] = [];
    const thrown: unknown[] = [];
    const fail = (key: string | undefined, error: unknown): void => {
      try {
        this.#policy.recover({ name: operation, key }, error, undefined);
      } catch (failure) {
        thrown.push(failure);
      }
    };
    for (const [i, [key, value, how]] of entries.entries()) {
      try {
        const entry = this.entry(key, value, how);
        if (entry === undefined) {
          outdated.push(key);
          continue;
        }
        this.#context.loads.forget(entry.key);
        // The only handler, if an error below keeps all of them from being sent.
        if (entry.value instanceof Promise) entry.value.catch(() => {});
        encoding.push(entry);
        positions.push(i);
      } catch (error) {
        fail(key, error);
        if (this.#outdated.isLeftBy(error)) outdated.push(key);
      }
    }
    // A wrong argument means that nothing was done.
    const [wrong] = thrown.filter((error) => error instanceof ArgumentError);
    if (wrong !== undefined) throw wrong;
    // Sent before the others, so that a later write of the same key stays.
    const unlinked = this.#outdated.unlink(outdated, operation);
    const refused: string[] = [];
    let reason: unknown;
    try {
      const results = encoding.length === 0 ? [] : await this.#context.commands.setMany(encoding);
      for (const [i, result] of results.entries()) {
        const position = positions[i] as number;
        stored[position] = result.status === 'fulfilled';
        if (result.status === 'fulfilled') continue;
        const key = entries[position]?.[0] as string;
        fail(key, result.reason);
        // A value that failed to encode later has had its turn as a deletion.
        if (result.reason instanceof CodecError || !this.#outdated.isLeftBy(result.reason)) continue;
        refused.push(key);
        reason = result.reason;
      }
    } catch (error) {
      fail(undefined, error);
    }
    await Promise.all([unlinked, this.#outdated.unlink(refused, operation, reason)]);
    if (thrown.length > 0) throw thrown[0];
    return stored;
  }

  /** Deletions of single keys in one tick share a command. */
  unlink(keys: readonly string[], operation = 'del'): Promise<void> {
    const unlink = (): Promise<unknown> => {
      const { redisKeys, leases } = this.targets(keys);
      return keys.length === 0 ? Promise.resolve() : this.#context.commands.unlink(redisKeys, { leases, counted: false });
    };
    return this.#policy.failLoud({ name: operation, key: keys.length === 1 ? keys[0] : undefined }, unlink, () => {});
  }

  /** @returns how many of the keys existed */
  unlinkCounted(keys: readonly string[], operation = 'del'): Promise<number> {
    return this.#policy.failLoud({ name: operation, key: keys.length === 1 ? keys[0] : undefined }, () => {
      if (keys.length === 0) return Promise.resolve(0);
      const { redisKeys, leases } = this.targets(keys);
      return this.#context.commands.unlink(redisKeys, { leases });
    });
  }

  /** @returns whether each key existed */
  unlinkEach(keys: readonly string[], operation = 'deleteMany'): Promise<boolean[]> {
    return this.#policy.failLoud({ name: operation }, () => {
      const { redisKeys, leases } = this.targets(keys);
      return this.#context.commands.unlinkEach(redisKeys, leases);
    });
  }

  /**
   * The entry to be written; `undefined` for a value that is not stored. `earlier`: generations of tags, read before the value was made.
   * `staleFor`: how much longer than its `ttl` Redis keeps it.
   */
  entry(key: string, value: unknown, how: Ttl | WriteOptions, earlier?: TagGenerations, staleFor = 0): EncodingEntry | undefined {
    const redisKey = this.#redisKey(key);
    const { ttl, tags: ofCall } = parseWriteOptions(how);
    if (ofCall.length > 0) this.#tags.checkPlace();
    const time = this.#context.ttl(ttl, value);
    if (value === undefined || !this.#context.isCacheable(value)) return undefined;
    const tags = allTags(ofCall, this.#context.tagsOf, key, value);
    const life = time === undefined ? undefined : time + staleFor;
    const bytes = this.#tags.withGenerations(this.#context.codec.encode(value, redisKey), tags, life, earlier);
    return { key: redisKey, value: bytes, ttl: time, isTagged: tags.length > 0 };
  }

  /** The keys of a deletion, with the leases that it ends. Later callers do not share loads from before it. */
  targets(keys: readonly string[]): Targets {
    const { keys: space, loads } = this.#context;
    const redisKeys = keys.map((key) => this.#redisKey(key));
    for (const redisKey of redisKeys) loads.forget(redisKey);
    return { redisKeys, leases: redisKeys.map((redisKey) => space.siblingKey?.(redisKey, 'lease')) };
  }

  #redisKey(key: string): string {
    return this.#context.keys.toRedisKey(key);
  }
}

/** Failures of a write after which a deletion may succeed: it needs no memory, and the ACL may allow it. */
const kinds = [OutOfMemoryError, TooLargeError, PermissionError, CodecError];

/** Deletes entries that are no longer true, because the write that was to replace them failed. */
export class Outdated {
  readonly #context: CacheContext;
  readonly #policy: FailurePolicy;
  readonly #targets: (keys: readonly string[]) => Targets;

  constructor(context: CacheContext, policy: FailurePolicy, targets: (keys: readonly string[]) => Targets) {
    this.#context = context;
    this.#policy = policy;
    this.#targets = targets;
  }

  /** Whether a write that failed with this error leaves such an entry while Redis can be reached. */
  isLeftBy(error: unknown): boolean {
    if (error instanceof ArgumentError) return !this.#context.strict;
    if (!(error instanceof CacheError)) return false;
    return kinds.some((kind) => error instanceof kind) || error.code === 'ERR_OPTION';
  }

  /** Fails open. `error`: the failure of the write, which took some of its time: then the caller waits half a `timeout` at most. */
  async unlink(keys: readonly string[], operation: string, error?: unknown): Promise<void> {
    if (keys.length === 0) return;
    const { timeout, background } = this.#context;
    let targets: Targets;
    try {
      targets = this.#targets(keys);
    } catch {
      // A wrong key, which was reported.
      return;
    }
    const unlinked = this.#unlink(targets, error instanceof TooLargeError).catch((failure: unknown) => {
      // Forbidden like the write, which was reported.
      if (failure instanceof PermissionError && error instanceof PermissionError) return;
      this.#policy.report({ name: operation, key: keys.length === 1 ? keys[0] : undefined }, failure);
    });
    background.add(unlinked);
    await (error === undefined ? unlinked : waitAtMost(unlinked, timeout / 2));
  }

  /** `isClosing`: Redis closes the connection over what it refused, and the deletion takes the next one. */
  async #unlink({ redisKeys, leases }: Targets, isClosing: boolean): Promise<void> {
    const { commands, background, timeout } = this.#context;
    const end = performance.now() + (isClosing ? timeout / 2 : 0);
    for (;;) {
      try {
        await commands.unlink(redisKeys, { leases, counted: false });
        return;
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() >= end || background.signal.aborted) throw error;
        await pause(25, { signal: background.signal });
      }
    }
  }
}
