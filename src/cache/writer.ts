import { type Aging, entryHeader, type Stored, type TagGenerations } from '../codec/entry.js';
import type { MaybePromise } from '../codec/serializers.js';
import { missing, type NewEntry, never } from '../commands/commands.js';
import { unreachedBy } from '../commands/unlinking.js';
import { ArgumentError, CacheError, CodecError } from '../errors.js';
import { unawaited } from '../time/waiting.js';
import type { KeptTtl, RedisTtl, Ttl } from '../ttl.js';
import { allTags, parseWriteOptions, type WriteOptions } from './call-options.js';
import { Outdated, operationOn, targetsOf } from './outdated.js';
import type { CacheCore } from './values.js';

/** An entry to be written, whose value may still be encoded. */
export type EncodingEntry = NewEntry<MaybePromise<Stored>> & { readonly isTagged: boolean; readonly kept?: KeptTtl | undefined };

type Writes = readonly (readonly [key: string, value: unknown, how?: Ttl | WriteOptions])[];

/** Stores and deletes entries. */
export class Writer {
  readonly #cache: CacheCore;
  readonly #outdated: Outdated;

  constructor(cache: CacheCore) {
    this.#cache = cache;
    this.#outdated = new Outdated(cache);
  }

  /** @returns whether it was stored. A value that is not stored deletes the entry that it was to replace. */
  set(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<boolean> {
    let entry: EncodingEntry | undefined;
    try {
      entry = this.entry(key, value, how);
    } catch (error) {
      return unawaited(this.#notStored(key, error));
    }
    return this.#cache.policy.writing(entry === undefined ? this.#notStored(key) : this.#store(key, entry));
  }

  #store(key: string, entry: EncodingEntry): Promise<boolean> {
    const { key: redisKey, value } = entry;
    this.#cache.context.loads.forget(redisKey);
    return this.#cache.context.commands.set(redisKey, value, timeOf(entry)).then(
      () => true,
      (error: unknown) => {
        // A value that failed to encode later has had its turn as a deletion: a later write may have been sent since.
        return error instanceof CodecError ? this.#cache.policy.recover({ name: 'set', key }, error, false) : this.#notStored(key, error);
      },
    );
  }

  /** Deletes what a value was to replace; `error`: why it was not stored, if that is a failure. */
  async #notStored(key: string, error?: unknown): Promise<boolean> {
    const isOutdated = error === undefined || this.#outdated.isLeftBy(error);
    const unlinked = isOutdated ? this.#outdated.unlink([key], 'set', error) : undefined;
    try {
      return error === undefined ? false : this.#cache.policy.recover({ name: 'set', key }, error, false);
    } finally {
      await unlinked;
    }
  }

  /** The same for many, entry by entry. @returns whether each was stored */
  setMany(entries: Writes, operation = 'setMany'): Promise<boolean[]> {
    return unawaited(this.#setMany(entries, operation));
  }

  async #setMany(entries: Writes, operation: string): Promise<boolean[]> {
    const stored = entries.map(() => false);
    const encoding: EncodingEntry[] = [];
    const positions: number[] = [];
    const outdated: string[] = [];
    const thrown: unknown[] = [];
    const fail = (key: string | undefined, error: unknown): void => {
      try {
        this.#cache.policy.recover({ name: operation, key }, error, undefined);
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
        this.#cache.context.loads.forget(entry.key);
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
      const results =
        encoding.length === 0
          ? []
          : await this.#cache.context.commands.setMany(encoding.map((entry) => (entry.kept ? { ...entry, ttl: timeOf(entry) } : entry)));
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
    return this.#cache.policy.failLoud(
      operationOn(operation, keys),
      () => this.#unlink(keys, false),
      () => {},
    );
  }

  /** @returns how many of the keys existed */
  unlinkCounted(keys: readonly string[], operation = 'del'): Promise<number> {
    return this.#cache.policy.failLoud(operationOn(operation, keys), () => this.#unlink(keys, true));
  }

  #unlink(keys: readonly string[], counted: boolean): Promise<number> {
    const { redisKeys, leases } = targetsOf(this.#cache.context, keys);
    if (keys.length === 0) return Promise.resolve(0);
    const unlinked = this.#cache.context.commands.unlink(redisKeys, { leases, counted });
    return keys.length === 1 ? unlinked : unlinked.catch((error: unknown) => failUnreached(error, keys, redisKeys));
  }

  /** @returns whether each key existed */
  unlinkEach(keys: readonly string[], operation = 'deleteMany'): Promise<boolean[]> {
    return this.#cache.policy.failLoud({ name: operation }, () => {
      const { redisKeys, leases } = targetsOf(this.#cache.context, keys);
      const unlinked = this.#cache.context.commands.unlinkEach(redisKeys, leases);
      return unlinked.catch((error: unknown) => failUnreached(error, keys, redisKeys));
    });
  }

  /**
   * The entry to be written; `undefined` for a value that is not stored. `earlier`: generations of tags, read before the value was made.
   * `aging`: for an entry that expires; Redis keeps it longer than its `ttl` by `staleFor`.
   */
  entry(key: string, value: unknown, how: Ttl | WriteOptions, earlier?: TagGenerations, aging?: Aging): EncodingEntry | undefined {
    const redisKey = this.#cache.context.keys.toRedisKey(key);
    const { ttl, tags: ofCall, keepTtl, isOver } = parseWriteOptions(how);
    if (ofCall.length > 0) this.#cache.tags.checkPlace();
    if (isOver) return undefined;
    const time = this.#cache.context.ttl(ttl, value);
    if (value === undefined || !this.#cache.context.isCacheable(value)) return undefined;
    const tags = allTags(ofCall, this.#cache.context.tagsOf, key, value);
    const life = time === undefined ? undefined : time + (aging?.staleFor ?? 0);
    const payload = this.#cache.context.codec.encode(value);
    const generations = keepTtl ? this.#generationsOfKept(redisKey, tags, life) : this.#cache.tags.generationsFor(tags, life, earlier);
    const bytes = this.#whole(redisKey, payload, generations, time === undefined ? undefined : aging);
    const kept = keepTtl ? { otherwise: life, max: this.#cache.context.ttl(null) } : undefined;
    return { key: redisKey, value: bytes, ttl: life, isTagged: tags.length > 0, kept };
  }

  /** The generations of an entry that lives for as long as the one before it, or for `otherwise`. Redis: PTTL. */
  #generationsOfKept(redisKey: string, tags: readonly string[], otherwise: RedisTtl): MaybePromise<TagGenerations> | undefined {
    if (tags.length === 0 && !this.#cache.tags.lazy) return undefined;
    return this.#cache.context.commands.pttl(redisKey).then((left) => {
      const isForever = left === never || (left === missing && otherwise === undefined);
      const life = isForever ? undefined : Math.max(left, otherwise ?? 0);
      return this.#cache.tags.generationsFor(tags, life) as MaybePromise<TagGenerations>;
    });
  }

  /** The bytes of the entry, when its payload is encoded and the generations of its tags are read. */
  #whole(
    redisKey: string,
    payload: MaybePromise<Stored>,
    generations: MaybePromise<TagGenerations> | undefined,
    aging: Aging | undefined,
  ): MaybePromise<Stored> {
    const { codec } = this.#cache.context;
    if (!codec.encrypted && generations === undefined && aging === undefined) return payload;
    if (!(payload instanceof Promise) && !(generations instanceof Promise)) {
      return codec.seal(payload, redisKey, entryHeader(aging, generations));
    }
    return Promise.all([payload, generations]).then(([bytes, read]) => codec.seal(bytes, redisKey, entryHeader(aging, read)));
  }
}

function timeOf({ ttl, kept }: EncodingEntry): RedisTtl | KeptTtl {
  return kept ?? ttl;
}

/** Throws the error of a deletion, which then names the keys that were not reached. */
function failUnreached(error: unknown, keys: readonly string[], redisKeys: readonly string[]): never {
  const missed = unreachedBy(error);
  if (missed && error instanceof CacheError) error.keys = keys.filter((_, i) => missed.has(redisKeys[i] as string));
  throw error;
}
