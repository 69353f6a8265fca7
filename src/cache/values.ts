import type { ReadEntry, StoredEntry } from '../codec/entry.js';
import type { Quota } from '../codec/limits.js';
import { validated } from '../codec/schema.js';
import { type MaybePromise, then } from '../codec/serializers.js';
import { batchSize } from '../commands/commands.js';
import { AbortedError, CodecError, SchemaError, TimeoutError } from '../errors.js';
import type { KeySpace } from '../keys/keyspace.js';
import { hasPayloadOf, isReadable, type NearEntry, type ReadableEntry, share, useInterval } from '../near/entry.js';
import type { NearTier } from '../near/tier.js';
import { performance } from '../time/clock.js';
import { withTimeout } from '../time/deadlines.js';
import { abortable, unawaited } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import type { CacheContext } from './context.js';
import type { FailurePolicy } from './failure.js';
import type { Tags } from './tags.js';

/** What every part of a cache shares: reader, writer, scans and the rest take it. */
export interface CacheCore {
  readonly context: CacheContext;
  readonly policy: FailurePolicy;
  readonly tags: Tags;
}

/**
 * Finds near entries by the caller's key. Making and hashing the key in Redis takes longer than all the rest of a hit, so the entries found
 * last are also held under the callers' keys. The tier owns them: one that it evicts ends here too.
 */
export class NearReader {
  readonly #tier: NearTier;
  readonly #keys: KeySpace;
  readonly #recent = new Map<string, NearEntry>();

  constructor(tier: NearTier, keys: KeySpace) {
    this.#tier = tier;
    this.#keys = keys;
  }

  /** The entry, if it may be served. */
  find(key: string): NearEntry | undefined {
    const now = performance.now();
    const near = this.#recent.get(key);
    if (near === undefined || near.isEvicted || now - near.used > useInterval) return this.#look(key, now);
    return now < this.#tier.trustedUntil && now < near.deadline ? near : undefined;
  }

  #look(key: string, now: Milliseconds): NearEntry | undefined {
    const near = this.#tier.find(this.#keys.toRedisKey(key), now);
    // A key function of the user may depend on more than the key.
    if (this.#keys.varies) return near;
    if (near === undefined) this.#recent.delete(key);
    else {
      if (this.#recent.size >= this.#tier.max) this.#recent.clear();
      this.#recent.set(key, near);
    }
    return near;
  }
}

/** From entries to what callers get: a value decoded for each caller, or for all if the near tier shares values. */
export class Values {
  readonly #cache: CacheCore;
  readonly #nearReader: NearReader | undefined;
  /** Whether the near tier shares decoded values with this cache. */
  readonly #shares: boolean;

  constructor(cache: CacheCore) {
    const { near, keys, hasOwnForm } = cache.context;
    this.#cache = cache;
    this.#nearReader = near && new NearReader(near, keys);
    this.#shares = near?.freeze === true && !hasOwnForm;
  }

  /** Whether more than the entry decides if it counts: its tags, or its time left in Redis. */
  needsCheck(entry: ReadEntry): entry is StoredEntry {
    return entry.found && (entry.staleFor > 0 || this.#cache.tags.needsTagCheck(entry));
  }

  /** The near entry of this key, if the near tier alone answers a read. */
  findNear(key: string): ReadableEntry | undefined {
    const near = this.#nearReader?.find(key);
    return this.#answers(near) ? near : undefined;
  }

  /** The value of a near entry: decoded for this caller, or once for all. */
  ofNear(operation: string, key: string, near: ReadableEntry): MaybePromise<unknown> {
    if (near.isShared && this.#shares) return near.value;
    if (!near.entry.found) return undefined;
    const { codec, keys } = this.#cache.context;
    // Only encrypted values are bound to their key in Redis.
    const value = this.decode(operation, key, near.entry, codec.encrypted ? keys.toRedisKey(key) : key);
    return this.#shares ? then(value, (decoded) => share(near, decoded)) : value;
  }

  /**
   * The value of an entry that was read and counts. If the near tier shares values, the shared one: it may be newer, never older. `quota`:
   * what the values of the call may take together.
   */
  of(operation: string, key: string, entry: StoredEntry, redisKey: string, quota?: Quota): MaybePromise<unknown> {
    if (!this.#shares) return this.decode(operation, key, entry, redisKey, quota);
    const near = this.#nearReader?.find(key);
    if (this.#answers(near)) return this.ofNear(operation, key, near);
    // The tags and the age of what was read were checked: the near entry is as good if it holds the same payload.
    const same = hasPayloadOf(near, entry) ? near : undefined;
    if (same?.isShared) return same.value;
    return then(this.decode(operation, key, entry, redisKey, quota), (value) => share(same, value));
  }

  /** Decodes the value; a miss and an `error` event if that fails, or if it does not match the schema. A promise only if that takes time. */
  decode(operation: string, key: string, entry: StoredEntry, redisKey: string, quota?: Quota): MaybePromise<unknown> {
    const value = this.#decode(operation, key, entry, redisKey, quota);
    return this.#cache.context.schema ? then(value, (decoded) => this.#valid(operation, key, entry, decoded)) : value;
  }

  /** The value as it was stored; `undefined` if it cannot be decoded, or does not match the schema. */
  async stored(operation: string, key: string, entry: StoredEntry, redisKey: string): Promise<unknown> {
    const value = await this.#decode(operation, key, entry, redisKey);
    return (await this.#valid(operation, key, entry, value)) === undefined ? undefined : value;
  }

  /** What the schema makes of a value that is to be stored. @throws {SchemaError} if it does not match; rejects with it if the schema takes time */
  accepted(value: unknown): MaybePromise<unknown> {
    const { schema } = this.#cache.context;
    if (schema === undefined || value === undefined) return value;
    return orElse(
      () => {
        const valid = validated(schema, value, false);
        return valid instanceof Promise ? this.inTime(valid, 1, 'the value was not checked') : valid;
      },
      (error) => {
        throw this.#schemaFailure(error);
      },
    );
  }

  /** The same for `set`, which reports the failure. */
  storable(key: string, value: unknown): MaybePromise<unknown> {
    return orElse(
      () => this.accepted(value),
      (error) => {
        throw this.#cache.policy.report({ name: 'set', key }, error);
      },
    );
  }

  /** What the schema makes of a stored value. One that does not match is a miss, and is deleted unless it has changed since. */
  #valid(operation: string, key: string, entry: StoredEntry, value: unknown): MaybePromise<unknown> {
    const { schema, keys, commands, background } = this.#cache.context;
    if (value === undefined || schema === undefined) return value;
    const refused = (error: unknown): undefined => {
      const failure = this.#schemaFailure(error);
      if (!(failure instanceof CodecError)) return this.#failed(operation, key, failure);
      this.#unreadable(operation, key, failure);
      // A load replaces it. A schema that throws says nothing of the value.
      if (operation === 'getOrSet' || !(error instanceof SchemaError)) return;
      const unlinked = commands.unlinkUnchanged([{ key: keys.toRedisKey(key), prefix: Buffer.from(entry.bytes as string), isWhole: true }]);
      background.add(unlinked.catch(() => {}));
    };
    return orElse(() => {
      const valid = validated(schema, value, true);
      return valid instanceof Promise ? this.inTime(valid, 1, 'the value was not checked') : valid;
    }, refused);
  }

  /** The value does not match, was not checked in time, or the caller has given up; anything else is thrown by the schema itself. */
  #schemaFailure(error: unknown): unknown {
    const isAborted = error instanceof AbortedError && this.#cache.context.signal?.aborted;
    return error instanceof SchemaError || error instanceof TimeoutError || isAborted
      ? error
      : new CodecError('the schema failed', { cause: error });
  }

  #decode(operation: string, key: string, entry: StoredEntry, redisKey: string, quota?: Quota): MaybePromise<unknown> {
    try {
      const value = this.#cache.context.codec.decode(entry, redisKey, quota);
      if (!(value instanceof Promise)) return value;
      return this.inTime(value, quota?.values).catch((error: unknown) => this.#failed(operation, key, error));
    } catch (error) {
      return this.#unreadable(operation, key, error);
    }
  }

  /** Bounds work of the codec by the deadline and the signal of a call of that many values: a serializer of the user may never settle. */
  inTime<T>(work: Promise<T>, values = 1, message = 'the value was not decoded'): Promise<T> {
    const { timeout, signal } = this.#cache.context;
    const time = timeout * Math.ceil(values / batchSize);
    // It is under way, also if nothing waits for it because the signal was aborted before.
    void unawaited(work);
    return withTimeout(signal ? abortable(signal, () => work) : work, time, time, message);
  }

  #answers(near: NearEntry | undefined): near is ReadableEntry {
    return isReadable(near) && (!this.needsCheck(near.entry) || (near.entry.staleFor === 0 && this.#cache.tags.areValidNearby(near.entry)));
  }

  /** A value that is not decoded in time fails as a read does that Redis does not answer. */
  #failed(operation: string, key: string, error: unknown): undefined {
    if (error instanceof CodecError) return this.#unreadable(operation, key, error);
    return this.#cache.policy.recover({ name: operation, key }, error, undefined);
  }

  #unreadable(operation: string, key: string, error: unknown): undefined {
    this.#cache.policy.report({ name: operation, key }, error);
  }
}

/** The result of the work, or what `refused` makes of its failure. */
function orElse(work: () => MaybePromise<unknown>, refused: (error: unknown) => unknown): MaybePromise<unknown> {
  try {
    const result = work();
    return result instanceof Promise ? result.catch(refused) : result;
  } catch (error) {
    return refused(error);
  }
}
