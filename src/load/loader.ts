import type { Cache } from '../cache/cache.js';
import { freshFor, type Snapshot } from '../cache/reader.js';
import { recordRead } from '../cache/recording.js';
import { asMissing, isSameEntry, missingInRedis, type ReadEntry, type TagGenerations } from '../codec/entry.js';
import { AbortedError, ArgumentError } from '../errors.js';
import { TimeBudget } from '../time/budget.js';
import { performance } from '../time/clock.js';
import { attempt, unawaitedIfOurs } from '../time/waiting.js';
import type { Milliseconds, Ttl } from '../ttl.js';
import { CallerBounds, withinSoftTimeout } from './caller-bounds.js';
import { EntryWatch, type Wait, type WaitResult } from './entry-watch.js';
import { type Factory, type Load, type LoadResult, type LoadRun, observedFactory, plainResult, type Verdict } from './factory.js';
import { FactoryFailure, FactoryRunner, type LoadBasis } from './factory-runner.js';
import { FirstLooks } from './first-looks.js';
import { endSince, Lease, unsharedMark } from './lease.js';
import { type GetOrSetOptions, type LoadPlan, parseLoadOptions } from './load-options.js';
import { Refresher } from './refresher.js';
import { maxTerms } from './renewals.js';
import {
  enclosingFunction,
  endWait,
  type FirstLook,
  type Flight,
  type RunningFunction,
  type SingleFlight,
  waitFor,
} from './single-flight.js';

/** `getOrSet`: one call of the function per process and per fleet, and old values served while new ones are made. */
export class Loader {
  readonly #cache: Cache;
  readonly #flights: SingleFlight;
  readonly #looks: FirstLooks;
  readonly #entries: EntryWatch;
  readonly #runner: FactoryRunner;
  readonly #refresher: Refresher;
  readonly #bounds: CallerBounds;
  readonly #random: () => number;

  /** `random` decides when a read refreshes early. */
  constructor(cache: Cache, flights: SingleFlight, random: () => number = Math.random) {
    this.#cache = cache;
    this.#flights = flights;
    this.#looks = new FirstLooks(cache, flights);
    this.#entries = new EntryWatch(cache);
    this.#runner = new FactoryRunner(cache);
    this.#refresher = new Refresher(cache, flights, this.#entries, this.#runner);
    this.#bounds = new CallerBounds(cache, flights);
    this.#random = random;
  }

  getOrSet<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    return unawaitedIfOurs(attempt(() => this.#getOrSet(key, value, options) as Promise<T>));
  }

  #getOrSet(key: string, value: unknown, options?: Ttl | GetOrSetOptions): Promise<unknown> {
    const { policy, tags, context } = this.#cache;
    const operation = { name: 'getOrSet', key };
    const plan = policy.parsed(operation, () => {
      const parsed = parseLoadOptions(options);
      if (parsed.tags.length > 0) tags.checkPlace();
      return parsed;
    });
    const factory = (): Factory<unknown> =>
      typeof value === 'function' ? observedFactory(value as Factory<unknown>, key, context) : () => value;
    let redisKey: string;
    try {
      redisKey = context.keys.toRedisKey(key);
    } catch (error) {
      const failure = policy.report(operation, error);
      if (failure instanceof ArgumentError) throw failure;
      return this.#loadUnstored(key, factory(), plan);
    }
    const load = (look?: FirstLook, verdict?: Verdict): Promise<unknown> =>
      this.#load({ key, redisKey, lease: context.keys.siblingKey?.(redisKey, 'lease'), factory: factory(), plan, look, verdict });
    return this.#looks.answer(key, redisKey, plan, load);
  }

  #load(load: Load): Promise<unknown> {
    const { redisKey, plan } = load;
    const { signal } = this.#cache.context;
    if (signal?.aborted) throw this.#report(load.key, new AbortedError(signal.reason));
    const maxAge = plan.lease === false ? undefined : plan.lease * maxTerms;
    const caller = enclosingFunction();
    const { result, isJoined, flight } = this.#flights.run(this, redisKey, (own) => this.#answer({ ...load, flight: own }), maxAge);
    // A load that begins here checks by itself if it finds nothing.
    const cycle = isJoined && caller ? this.#cycle(load, flight, caller) : undefined;
    if (cycle) throw cycle;
    const value = this.#bounds.hold(load, result).then(({ value: own, copy }) => (isJoined ? copy() : own));
    return caller === undefined ? value : value.finally(() => endWait(flight, caller));
  }

  /** Calls the function for one caller and stores nothing: `keyFunction` gave no key. */
  async #loadUnstored(key: string, factory: Factory<unknown>, plan: LoadPlan): Promise<unknown> {
    const alone: LoadRun = { key, factory, plan, redisKey: '', lease: undefined, flight: { isOvertaken: false } };
    const result = this.#runner.run(alone, new TimeBudget(this.#cache.context.timeout));
    return (await this.#bounds.hold(alone, result)).value;
  }

  /** Lets the load that runs `waiter` wait for this one. @returns the failure, if neither could ever end */
  #cycle({ key, redisKey }: Load, flight: Flight, waiter: RunningFunction): Error | undefined {
    try {
      waitFor(flight, waiter, key, this.#flights.underWay(redisKey));
      return undefined;
    } catch (error) {
      return this.#report(key, error);
    }
  }

  #answer(load: LoadRun): Promise<LoadResult> {
    const { look, verdict } = load;
    const { context } = this.#cache;
    const budget = new TimeBudget(context.timeout, look?.began, context.failedAt);
    const answer = look?.answer;
    if (answer === undefined || (answer.found && verdict === undefined)) return this.#lookAgain(load, budget);
    recordRead(context, 'getOrSet', load.key, asMissing(answer));
    return this.#loaded(load, { entry: answer, left: undefined, at: look?.at as Milliseconds }, budget, answer.found);
  }

  async #lookAgain(load: LoadRun, budget: TimeBudget): Promise<LoadResult> {
    const { plan, look } = load;
    const { context, reader, tags } = this.#cache;
    let snapshot: Snapshot;
    let entry: ReadEntry;
    try {
      const looking = this.#entries.look(load, budget);
      const prefetch = look ? look.prefetch : tags.prefetch();
      snapshot = await looking;
      const checked = reader.withValidTags(snapshot.entry, budget, prefetch);
      entry = checked instanceof Promise ? await checked : checked;
    } catch (error) {
      if (error instanceof AbortedError) throw this.#report(load.key, error);
      this.#report(load.key, error);
      // A Redis that could not be read is not waited for a second time.
      return this.#runner.runApart(load, budget);
    }
    const left = freshFor(snapshot);
    const isServable = left > 0 || (plan.staleFor > 0 && -left <= plan.staleFor);
    const decoded = this.#entries.decode(load, entry);
    const found = decoded instanceof Promise ? await decoded : decoded;
    recordRead(context, 'getOrSet', load.key, isServable && found !== undefined ? entry : asMissing(entry));
    if (found === undefined) return this.#loaded(load, snapshot, budget, snapshot.entry.found);
    if (!isServable) return this.#loaded(load, snapshot, budget, false);
    if (left > 0) {
      const cost = snapshot.entry.found ? snapshot.entry.cost : 0;
      if (plan.isDueEarly(left, cost, this.#random)) void this.#refresher.run(load, snapshot);
      return found;
    }
    const refreshed = this.#refresher.run(load, snapshot);
    const fresh = plan.softTimeout > 0 ? await withinSoftTimeout(plan.softTimeout, refreshed) : undefined;
    if (fresh) return fresh;
    context.counters.staleServed++;
    return found;
  }

  /** The value if none was found: made here, or by the process that holds the lease. `isUnusable`: there is an entry, which is no value. */
  #loaded(load: LoadRun, snapshot: Snapshot, budget: TimeBudget, isUnusable: boolean): Promise<LoadResult> {
    const waiter = enclosingFunction();
    const cycle = waiter && this.#cycle(load, load.flight, waiter);
    if (cycle) return Promise.reject(cycle);
    return this.#loadUnderLease(load, snapshot, budget, isUnusable).catch((error: unknown) => {
      if (error instanceof FactoryFailure) throw error.cause;
      if (error instanceof AbortedError) throw this.#report(load.key, error);
      this.#report(load.key, error);
      return this.#runner.runApart(load, budget);
    });
  }

  async #loadUnderLease(load: LoadRun, before: Snapshot, budget: TimeBudget, isUnusable: boolean): Promise<LoadResult> {
    const { plan, lease: leaseKey, flight } = load;
    let snapshot = before;
    let wait: Wait | undefined;
    /** Set once a load of another process ended without a value: all that waited for it go on at the same time. */
    let isAlone = false;
    // A load that blocks others is not waited for longer than a lease: the process that makes it may wait for one of those.
    const began = performance.now();
    const until = () => (flight.waiters?.length && plan.lease !== false ? began + plan.lease : Number.POSITIVE_INFINITY);
    for (;;) {
      const read = this.#runner.generations(load, budget);
      const generations = read instanceof Promise ? await read : read;
      if (plan.lease === false || leaseKey === undefined) return this.#make(load, budget, { snapshot: before, generations });
      const lease = await this.#claim(load, leaseKey, plan.lease, budget);
      if (lease === undefined) return this.#make(load, budget, { snapshot, generations });
      if (typeof lease !== 'string') {
        if (lease.seesEntry) return this.#makeUnless(load, lease, generations, budget, isUnusable ? before : undefined);
        return this.#make(load, budget, { snapshot: none(), generations, lease });
      }
      if (isAlone) return this.#make(load, budget);
      const end = endSince(wait?.holder, lease);
      if (!wait) this.#cache.context.counters.leaseWaits++;
      wait = { holder: lease, until, idle: false };
      const waited: WaitResult = end ? { kind: 'ended', end } : await this.#entries.wait(load, snapshot, budget, wait);
      if (waited.kind === 'changed') {
        snapshot = waited.snapshot;
        const found = await this.#entries.readFresh(load, snapshot, budget);
        if (found) return found;
      } else if (waited.kind === 'ended') {
        if (waited.end.kind === 'nothing') return plainResult(waited.end.value);
        isAlone = true;
      } else if (waited.kind === 'over') return this.#make(load, budget);
    }
  }

  /** Makes the value under the lease, unless an earlier holder has stored it. `unusable`: the entry that the load found, which is no value. */
  async #makeUnless(
    load: LoadRun,
    lease: Lease,
    generations: TagGenerations,
    budget: TimeBudget,
    unusable?: Snapshot,
  ): Promise<LoadResult> {
    let snapshot: Snapshot;
    let found: LoadResult | undefined;
    try {
      snapshot = await this.#entries.look(load, budget, true);
      if (!unusable || !isSameEntry(snapshot.entry, unusable.entry)) found = await this.#entries.readFresh(load, snapshot, budget);
    } catch (error) {
      this.#cache.context.background.add(lease.end());
      throw error;
    }
    if (!found) return this.#make(load, budget, { snapshot, generations, lease });
    this.#cache.context.background.add(lease.end());
    return found;
  }

  #claim({ redisKey }: LoadRun, key: string, time: Milliseconds, budget: TimeBudget): Promise<Lease | string | undefined> {
    const claim = Lease.claim(this.#cache.context, key, redisKey, time, true);
    return budget.measure(claim).catch((error: unknown) => {
      this.#cache.context.background.add(claim.then((lease) => (lease instanceof Lease ? lease.end() : undefined)));
      throw error;
    });
  }

  #make(load: LoadRun, budget: TimeBudget, basis: Partial<LoadBasis> = {}): Promise<LoadResult> {
    return this.#runner.make(load, budget, basis, unsharedMark);
  }

  #report(key: string, error: unknown): Error {
    return this.#cache.policy.report({ name: 'getOrSet', key }, error);
  }
}

/** The snapshot of a key that is missing now. */
function none(): Snapshot {
  return { entry: missingInRedis, left: undefined, at: performance.now() };
}
