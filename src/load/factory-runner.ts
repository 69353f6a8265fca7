import type { Cache } from '../cache/cache.js';
import type { Snapshot } from '../cache/reader.js';
import { digestOf } from '../codec/digest.js';
import { type Stored, StoredEntry, type TagGenerations } from '../codec/entry.js';
import { type MaybePromise, then } from '../codec/serializers.js';
import type { LeaseClaim, LeaseMark, NewEntry } from '../commands/commands.js';
import { CodecError } from '../errors.js';
import type { TimeBudget } from '../time/budget.js';
import { performance } from '../time/clock.js';
import { unawaited } from '../time/waiting.js';
import { FactoryCall, isObject, type Load, type LoadResult, type LoadRun } from './factory.js';
import { type Lease, uncacheableMark, unsharedMark } from './lease.js';
import { tagLifetime } from './load-options.js';
import { insideLoad } from './single-flight.js';

/** What was known before the function ran. Its result is stored on this basis. */
export interface LoadBasis {
  readonly snapshot: Snapshot;
  readonly generations: TagGenerations;
  readonly lease?: Lease | undefined;
  /** When Redis could not be asked: what `offline` knows from later on is newer than the result. */
  readonly apartSince?: number;
}

/** What storing a result was tried on. */
type StoreBasis = { readonly [K in 'snapshot' | 'lease' | 'apartSince']?: LoadBasis[K] | undefined };

type NewValue = NewEntry<MaybePromise<Stored>>;

const noTags: TagGenerations = new Map();

/** Calls the function that makes a value, and stores its result. */
export class FactoryRunner {
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** Calls the function, and stores its result if there is a basis. Rejects as the function does. */
  async run(load: LoadRun, budget: TimeBudget, basis: Partial<LoadBasis> = {}, stale?: unknown): Promise<LoadResult> {
    const { key, plan, flight } = load;
    const { background, codec, sliding } = this.#cache.context;
    const call = new FactoryCall(key, background.signal, stale, plan.ttl, plan.staleFor, (tags) => this.#generations(load, tags));
    flight.isRunning = true;
    flight.key = key;
    const start = performance.now();
    const value = await insideLoad(flight, () => load.factory(call as never));
    let result: unknown;
    try {
      const accepted = this.#cache.values.accepted(value);
      result = accepted instanceof Promise ? await accepted : accepted;
    } catch (error) {
      throw load.isRefresh ? error : this.#cache.policy.report({ name: 'getOrSet', key }, error);
    }
    const cost = Math.ceil(performance.now() - start);
    let bytes: MaybePromise<Stored> | undefined;
    try {
      const generations = call.isSkipped ? undefined : basis.generations;
      const added = generations && call.generations();
      const all = added ? new Map([...(await budget.run(added)), ...generations]) : generations;
      const entry = all && this.#entry(load, value, call, all, cost);
      sliding.forget(load.redisKey);
      // Encoded before a caller has the value, which it may change.
      const seal = (payload: Stored): Stored => codec.seal(payload, load.redisKey, undefined);
      bytes = entry?.value ?? (isObject(value) ? then(codec.encode(value), seal) : undefined);
      // It may fail while Redis is asked below.
      if (bytes instanceof Promise) void unawaited(bytes);
      const storing = this.#store(load, budget, all ? basis : { lease: basis.lease }, value, entry);
      if (storing) await storing;
    } catch (error) {
      // The value is never lost because it could not be stored.
      await this.#settle(load, Promise.reject(error), budget, { ...basis, snapshot: call.isSkipped ? undefined : basis.snapshot });
    }
    return { value: result, tier: 'made', copy: () => this.#copy(load, value, result, bytes) };
  }

  /** What another process has made, which is not stored; `undefined` if it does not match the schema of this one. */
  async madeElsewhere(value: unknown): Promise<LoadResult | undefined> {
    const { values } = this.#cache;
    try {
      const result = await values.accepted(value);
      return { value: result, tier: 'waited', copy: () => (isObject(result) ? values.accepted(value) : result) };
    } catch {
      return undefined;
    }
  }

  /** Calls the function while Redis cannot be asked. Nothing is stored there. With `offline` the value is held in this process. */
  async runApart(load: LoadRun, budget: TimeBudget): Promise<LoadResult> {
    const { context, tags } = this.#cache;
    if (context.offline === undefined) return this.run(load, budget);
    const { isAway, moment: apartSince } = context.offline;
    if (load.plan.tags.length === 0 && !tags.lazy) return this.run(load, budget, { generations: new Map(), apartSince });
    // They are held here too. Redis is not waited for a second time.
    const generations = isAway ? await this.#heldGenerations(load) : undefined;
    return this.run(load, budget, generations && { generations, apartSince });
  }

  async #heldGenerations(load: Load): Promise<TagGenerations | undefined> {
    try {
      return await this.#generations(load, load.plan.tags);
    } catch {
      return undefined;
    }
  }

  /** Like `run`, but if the function fails, `mark` replaces the lease, and the rejection is a FactoryFailure. */
  make(load: LoadRun, budget: TimeBudget, basis: Partial<LoadBasis>, mark: LeaseMark, stale?: unknown): Promise<LoadResult> {
    return this.run(load, budget, basis, stale).catch((cause: unknown) => {
      this.#end(basis.lease, mark);
      throw new FactoryFailure(cause);
    });
  }

  /** The generations of the tags of the call. Read before the function runs, so that an invalidation meanwhile wins, and before a lease is claimed. */
  generations(load: Load, budget: TimeBudget): MaybePromise<TagGenerations> {
    const { tags } = load.plan;
    if (tags.length === 0 && !this.#cache.tags.lazy) return noTags;
    const read = this.#generations(load, tags);
    return read instanceof Promise ? budget.run(read) : read;
  }

  #generations({ plan }: Load, names: readonly string[]): MaybePromise<TagGenerations> {
    const { tags, context } = this.#cache;
    if (names.length > 0) tags.checkPlace();
    return tags.generations(names, tagLifetime(plan, context.ttl));
  }

  /** Stores the entry, or deletes the old one if the value is not cacheable. Without a snapshot the old one stays. */
  #store(load: LoadRun, budget: TimeBudget, basis: StoreBasis, value: unknown, entry?: NewValue): Promise<unknown> | undefined {
    const { snapshot, lease, apartSince } = basis;
    // A later write or deletion is newer, and no lease needs to tell of it.
    if (load.flight.isOvertaken) this.#end(lease);
    else if (entry && snapshot && lease) return this.#settle(load, lease.set(entry, leaseBasis(snapshot)), budget, { snapshot, lease });
    else if (entry && snapshot)
      return this.#settle(load, this.#cache.context.commands.set(entry.key, entry.value, entry.ttl), budget, { snapshot });
    else if (entry) this.#cache.context.offline?.made(entry.key, entry.value, entry.ttl, apartSince);
    else if (snapshot) return this.#settle(load, this.#unlinkOld(load, { snapshot, lease }, uncacheableMark(value)), budget, { lease });
    else this.#end(lease, unsharedMark);
    return undefined;
  }

  /** Waits for the write while there is time; then it goes on in the background. */
  #settle(load: LoadRun, write: Promise<unknown>, budget: TimeBudget, { snapshot, lease }: StoreBasis): Promise<unknown> {
    const { policy, context } = this.#cache;
    const operation = { name: 'getOrSet', key: load.key };
    const settled = write.catch(async (error: unknown) => {
      policy.report(operation, error);
      if (!(snapshot && error instanceof CodecError)) return lease?.end(unsharedMark);
      // A value that cannot be encoded replaces the old one all the same.
      await this.#unlinkOld(load, { snapshot, lease }, unsharedMark).catch((failure: unknown) => policy.report(operation, failure));
    });
    return budget.settle(settled, () => context.background.add(settled));
  }

  /** Deletes the old entry: there is no value to replace it. */
  async #unlinkOld(load: LoadRun, { snapshot, lease }: Pick<LoadBasis, 'snapshot' | 'lease'>, mark: LeaseMark): Promise<void> {
    if (load.flight.isOvertaken) this.#end(lease);
    else if (!snapshot.entry.found) this.#end(lease, mark);
    else if (lease) await lease.unlink(load.redisKey, leaseBasis(snapshot).digest, mark);
    else await this.#cache.context.commands.unlink([load.redisKey], { counted: false });
  }

  #end(lease: Lease | undefined, mark?: LeaseMark): void {
    if (lease) this.#cache.context.background.add(lease.end(mark));
  }

  /** The entry. The bytes of one that ages say so, and Redis keeps it until it is too old to serve. */
  #entry(load: Load, value: unknown, call: FactoryCall, generations: TagGenerations, cost: number): NewValue | undefined {
    const { tags: ofCall, storesCost } = load.plan;
    const { ttl, tags, staleFor } = call;
    const aging = staleFor > 0 || storesCost ? { staleFor, cost } : undefined;
    return this.#cache.writer.entry(load.key, value, { ttl, tags: [...ofCall, ...tags] }, generations, aging);
  }

  /** A copy of the result; the result itself if it needs none, or has no bytes that can be decoded. */
  async #copy({ key, redisKey }: Load, value: unknown, result: unknown, bytes: MaybePromise<Stored> | undefined): Promise<unknown> {
    // What a schema makes of a text or a number is made anew.
    if (!isObject(value)) return isObject(result) ? this.#cache.values.accepted(value) : result;
    const encoded = await (bytes instanceof Promise ? this.#cache.values.inTime(bytes).catch(() => undefined) : bytes);
    if (encoded === undefined) return result;
    return (await this.#cache.values.decode('getOrSet', key, StoredEntry.parse(encoded), redisKey)) ?? result;
  }
}

/** The function failed, not Redis. */
export class FactoryFailure extends Error {
  constructor(override readonly cause: unknown) {
    super();
  }
}

/** For `catch`: the function failed. */
export function factoryFailed(cause: unknown): never {
  throw new FactoryFailure(cause);
}

/** What a lease compares when it stores: the entry as it was when the lease was claimed, and whether it may have expired since. */
function leaseBasis({ entry, left, at }: Snapshot): Pick<LeaseClaim, 'digest' | 'mayBeGone'> {
  if (!entry.found) return { digest: '', mayBeGone: false };
  const mayBeGone = left === undefined || (left >= 0 && performance.now() - at >= left);
  return { digest: digestOf(entry.bytes), mayBeGone };
}
