import { asMissing, type MissingEntry, missingInRedis, type ReadEntry, type StoredEntry } from '../codec/entry.js';
import type { Validity } from '../codec/generation.js';
import type { Quota } from '../codec/limits.js';
import type { MaybePromise } from '../codec/serializers.js';
import { batchSize, missing, type OrderedCommands, type StoredWithTtl } from '../commands/commands.js';
import { partOf } from '../commands/partial-read.js';
import { TimeBudget } from '../time/budget.js';
import { performance } from '../time/clock.js';
import { runningTime, withTimeout } from '../time/deadlines.js';
import { unawaited } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import { recordRead } from './recording.js';
import type { CacheCore, Values } from './values.js';

/** An entry as it was read, with its time left in Redis if that was asked. */
export interface Snapshot {
  readonly entry: ReadEntry;
  /** What PTTL answered. `undefined`: not asked, for an entry that cannot be stale. */
  readonly left: Milliseconds | undefined;
  /** When it was read, on the monotonic clock. */
  readonly at: Milliseconds;
}

/** How long the entry is fresh still; negative: since when it is stale. The one rule: an entry is stale for the last `staleFor` of its time. */
export function freshFor({ entry, left }: Snapshot): Milliseconds {
  if (left === undefined || left < 0) return Number.POSITIVE_INFINITY;
  return left - (entry.found ? entry.staleFor : 0);
}

/** What the caller of a snapshot needs beyond the entry. */
export interface SnapshotOptions {
  /** The time left, whether the entry can be stale or not. */
  readonly needsTtl?: boolean;
  /** What Redis holds now, not what the near tier does. */
  readonly fromRedis?: boolean;
  /** Over the connection that tracks, for a load that may wait for a change. */
  readonly tracked?: boolean;
  /** A read that was begun before, and when, on the monotonic clock. */
  readonly first?: { readonly entry: Promise<ReadEntry>; readonly at: Milliseconds } | undefined;
}

/** In place of an entry that could not be read, which was reported: neither a hit nor a miss. */
const unread: MissingEntry = { found: false, tier: 'redis' };

/** Reads entries, by one rule of which count: each of the tags has its generation of when the entry was written, and the entry is fresh. */
export class Reader {
  readonly #cache: CacheCore & { readonly values: Values };

  constructor(cache: CacheCore & { readonly values: Values }) {
    this.#cache = cache;
  }

  get<T>(key: string): Promise<T | undefined> {
    return this.#cache.policy.reading(key, this.#get(key) as Promise<T | undefined>);
  }

  #get(key: string): Promise<unknown> {
    try {
      const near = this.#cache.values.findNear(key);
      if (near) {
        const value = this.#cache.values.ofNear('get', key, near);
        return Promise.resolve(this.#recorded('get', key, near.entry, value));
      }
      const { context, tags, values } = this.#cache;
      const began = runningTime();
      const redisKey = context.keys.toRedisKey(key);
      const read = context.commands.get(redisKey);
      const prefetch = tags.prefetch();
      return read.then(
        (entry) => {
          if (!values.needsCheck(entry)) return this.#value('get', key, entry, redisKey);
          return this.#getChecked(key, redisKey, entry, began, prefetch);
        },
        (error: unknown) => this.#cache.policy.recover({ name: 'get', key }, error, undefined),
      );
    } catch (error) {
      return new Promise((resolve) => resolve(this.#cache.policy.recover({ name: 'get', key }, error, undefined)));
    }
  }

  async #getChecked(key: string, redisKey: string, entry: StoredEntry, began: Milliseconds, prefetch?: Promise<unknown>): Promise<unknown> {
    let checked: ReadEntry;
    try {
      if (entry.staleFor > 0) checked = (await this.#checked([redisKey], [entry], began, prefetch))[0] as ReadEntry;
      else checked = (await this.isValid(entry, began, prefetch)) ? entry : asMissing(entry);
    } catch (error) {
      return this.#cache.policy.recover({ name: 'get', key }, error, undefined);
    }
    return this.#value('get', key, checked, redisKey);
  }

  /** Whether the tags of the entry are valid, in what is left of the time since `began`. */
  isValid(entry: StoredEntry, began: Milliseconds, prefetch: Promise<unknown> | undefined): MaybePromise<boolean> {
    const { context, tags } = this.#cache;
    const isValid = tags.isValid(entry, prefetch);
    return isValid instanceof Promise ? withTimeout(isValid, context.timeout - (runningTime() - began), context.timeout) : isValid;
  }

  getMany<T>(keys: readonly string[], operation = 'getMany'): Promise<(T | undefined)[]> {
    return unawaited(this.#getMany<T>(keys, operation));
  }

  async #getMany<T>(keys: readonly string[], operation: string): Promise<(T | undefined)[]> {
    if (keys.length === 0) return [];
    let redisKeys: string[] = [];
    let entries: readonly ReadEntry[];
    try {
      const began = runningTime();
      redisKeys = keys.map((key) => this.#cache.context.keys.toRedisKey(key));
      const read = this.#cache.context.commands.getMany(redisKeys);
      const prefetch = this.#cache.tags.prefetch();
      entries = await read.catch((error: unknown) => this.#others(operation, keys, redisKeys, error));
      if (entries.some((entry) => this.#cache.values.needsCheck(entry))) entries = await this.#checked(redisKeys, entries, began, prefetch);
    } catch (error) {
      const none = keys.map(() => undefined);
      const failed = this.#cache.policy.recover({ name: operation }, error, none);
      const held = await this.#held(redisKeys);
      if (held === undefined) return failed;
      entries = held;
    }
    const quota = this.#cache.context.codec.newQuota?.(keys.length);
    const values = keys.map((key, i) => this.#value(operation, key, entries[i] as ReadEntry, redisKeys[i] as string, quota));
    // Only a decoder that takes time makes promises.
    return (values.some((value) => value instanceof Promise) ? Promise.all(values) : values) as Promise<(T | undefined)[]>;
  }

  /** The entries of the other keys, if a read failed for some of its keys only, each of which is a failure of its own. */
  #others(operation: string, keys: readonly string[], redisKeys: readonly string[], error: unknown): ReadEntry[] {
    const part = partOf(error);
    const isKnown = part !== undefined && redisKeys.every((redisKey) => part.has(redisKey));
    if (!isKnown || this.#cache.context.onFailure === 'throw') throw error;
    return redisKeys.map((redisKey, i) => {
      const read = part.get(redisKey) as ReadEntry | Error;
      if (!(read instanceof Error)) return read;
      this.#cache.policy.recover({ name: operation, key: keys[i] }, read, undefined);
      return unread;
    });
  }

  has(key: string): Promise<boolean> {
    return this.#ifValid('has', key, (commands, redisKey) => commands.has(redisKey), false);
  }

  ttl(key: string): Promise<Milliseconds> {
    return this.#ifValid('ttl', key, (commands, redisKey) => commands.pttl(redisKey), missing);
  }

  #ifValid<T>(name: string, key: string, ask: (commands: OrderedCommands, redisKey: string) => Promise<T>, otherwise: T): Promise<T> {
    const { context, policy, tags } = this.#cache;
    const answer = (): Promise<T> => {
      const redisKey = context.keys.toRedisKey(key);
      return tags.ifValid(redisKey, () => ask(context.commands, redisKey), otherwise);
    };
    return policy.failOpen({ name, key }, answer, otherwise);
  }

  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return this.#cache.policy.failOpen(
      { name: 'hasMany' },
      () => {
        const redisKeys = keys.map((key) => this.#cache.context.keys.toRedisKey(key));
        return this.#cache.tags.strict ? this.#cache.tags.areValid(redisKeys) : this.#cache.context.commands.hasMany(redisKeys);
      },
      keys.map(() => false),
    );
  }

  /** The entry, with its time left if that matters. */
  async snapshot(redisKey: string, budget: TimeBudget, options: SnapshotOptions = {}): Promise<Snapshot> {
    const { commands } = this.#cache.context;
    const { first } = options;
    let at = first?.at ?? performance.now();
    if (!options.needsTtl) {
      const entry = await (first?.entry ?? budget.measure((options.tracked ? (commands.tracked ?? commands) : commands).get(redisKey)));
      const isEnough = !(entry.found && entry.staleFor > 0) && !(options.fromRedis && entry.tier === 'near');
      if (isEnough) return { entry, left: undefined, at };
      at = performance.now();
    }
    return { ...(await budget.measure(commands.getWithTtl(redisKey))), at };
  }

  /** The entry if its tags are valid. `prefetch`: see {@link Tags.prefetch}. */
  withValidTags(entry: ReadEntry, budget: TimeBudget, prefetch?: Promise<unknown>): MaybePromise<ReadEntry> {
    if (!this.#cache.tags.needsTagCheck(entry)) return entry;
    return budget.run(this.#cache.tags.check([entry], prefetch)).then(([checked]) => checked as ReadEntry);
  }

  /** What the tags make of the entry. */
  validity(entry: ReadEntry, budget: TimeBudget, prefetch?: Promise<unknown>): MaybePromise<Validity> {
    if (!this.#cache.tags.needsTagCheck(entry)) return 'valid';
    return budget.run(this.#cache.tags.validities([entry], prefetch)).then(([validity]) => validity as Validity);
  }

  /** What this process holds of these keys while Redis is away; the others are missing. `undefined` if it holds nothing. */
  async #held(redisKeys: readonly string[]): Promise<readonly ReadEntry[] | undefined> {
    const held = this.#cache.context.offline?.findAny(redisKeys)?.map((entry) => entry ?? missingInRedis);
    if (!held?.some((entry) => this.#cache.values.needsCheck(entry))) return held;
    return this.#checked(redisKeys, held, runningTime(), undefined).catch(() => undefined);
  }

  /** Of these entries, those that count, in what is left of the time since `began`; the others are missing. */
  async #checked(
    redisKeys: readonly string[],
    entries: readonly ReadEntry[],
    began: Milliseconds,
    prefetch: Promise<unknown> | undefined,
  ): Promise<readonly ReadEntry[]> {
    const budget = new TimeBudget(this.#cache.context.timeout * Math.ceil(entries.length / batchSize), began);
    let checked = entries;
    if (entries.some((entry) => entry.found && entry.staleFor > 0)) {
      checked = await budget.run(Promise.all(entries.map((entry, i) => this.#ifFresh(redisKeys[i] as string, entry))));
    }
    return checked.some((entry) => this.#cache.tags.needsTagCheck(entry)) ? budget.run(this.#cache.tags.check(checked, prefetch)) : checked;
  }

  async #ifFresh(redisKey: string, entry: ReadEntry): Promise<ReadEntry> {
    if (!entry.found || entry.staleFor === 0) return entry;
    const now: StoredWithTtl = await this.#cache.context.commands.getWithTtl(redisKey);
    return freshFor({ ...now, at: 0 }) > 0 ? now.entry : missingInRedis;
  }

  #value(operation: string, key: string, entry: ReadEntry, redisKey: string, quota?: Quota): unknown {
    if (entry === unread) return undefined;
    const value = entry.found ? this.#cache.values.of(operation, key, entry, redisKey, quota) : undefined;
    return this.#recorded(operation, key, entry, value);
  }

  /** The value of a read, once its hit is recorded; what cannot be read is a miss. */
  #recorded(operation: string, key: string, entry: ReadEntry, value: unknown): unknown {
    if (value instanceof Promise) return value.then((decoded) => this.#recorded(operation, key, entry, decoded));
    this.#record(operation, key, value === undefined ? asMissing(entry) : entry);
    return value;
  }

  #record(operation: string, key: string, entry: ReadEntry): void {
    const { context } = this.#cache;
    if (entry.found) context.slide?.(key, entry);
    if (entry.found || !context.recordsHitsOnly) recordRead(context, operation, key, entry);
  }
}
