import type { Cache } from '../cache/cache.js';
import { freshFor, type Snapshot } from '../cache/reader.js';
import { recordRead } from '../cache/recording.js';
import { checkArgument } from '../checks.js';
import { digestOf } from '../codec/digest.js';
import { asMissing, type ReadEntry } from '../codec/entry.js';
import type { Validity } from '../codec/generation.js';
import { then } from '../codec/serializers.js';
import { AbortedError, ArgumentError } from '../errors.js';
import { TimeBudget } from '../time/budget.js';
import { attempt, unawaitedIfOurs } from '../time/waiting.js';
import type { Milliseconds, Ttl } from '../ttl.js';
import { CallerBounds, withinSoftTimeout } from './caller-bounds.js';
import { EntryWatch } from './entry-watch.js';
import { type Factory, type Load, type LoadResult, type LoadRun, type LoadTier, observedFactory, type Verdict } from './factory.js';
import { FactoryFailure, FactoryRunner } from './factory-runner.js';
import { FirstLooks, type Give } from './first-looks.js';
import { LeasedLoads } from './leased-loads.js';
import { type GetOrSetOptions, type LoadPlan, parseLoadOptions } from './load-options.js';
import { type LoadMany, ManyLoads } from './many-loads.js';
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
  readonly #leased: LeasedLoads;
  readonly #bounds: CallerBounds;
  readonly #random: () => number;
  /** The owner of `fresh` loads, which share results with each other only. */
  readonly #fresh = {};

  /** `random` decides when a read refreshes early. */
  constructor(cache: Cache, flights: SingleFlight, random: () => number = Math.random) {
    this.#cache = cache;
    this.#flights = flights;
    this.#looks = new FirstLooks(cache, flights);
    this.#entries = new EntryWatch(cache);
    this.#runner = new FactoryRunner(cache);
    this.#refresher = new Refresher(cache, flights, this.#entries, this.#runner);
    this.#leased = new LeasedLoads(cache, this.#entries, this.#runner);
    this.#bounds = new CallerBounds(cache, flights);
    this.#random = random;
  }

  getOrSet<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    return unawaitedIfOurs(attempt(() => this.#getOrSet(key, value, options, valueAlone) as Promise<T>));
  }

  getOrSetDetailed<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<Detailed<T>> {
    return unawaitedIfOurs(attempt(() => this.#getOrSet(key, value, options, detailed) as Promise<Detailed<T>>));
  }

  getOrSetMany<T>(keys: readonly string[], loadMany: LoadMany<T>, options?: Ttl | GetOrSetOptions): Promise<(T | Error | undefined)[]> {
    const loadAll = (): Promise<(T | Error | undefined)[]> => {
      const { policy, context } = this.#cache;
      const plan = policy.parsed({ name: 'getOrSetMany' }, () => {
        checkArgument('keys', 'an array of strings', keys, Array.isArray(keys) && Array.from(keys).every((key) => typeof key === 'string'));
        checkArgument('loadMany', 'a function', loadMany, typeof loadMany === 'function');
        return this.#plan(options);
      });
      const load = (key: string, make: Factory<T>, onWait: () => void): Promise<T> =>
        this.#planned(key, make, plan, valueAlone, onWait) as Promise<T>;
      return new ManyLoads(loadMany, context.signal).run(keys, load);
    };
    return unawaitedIfOurs(attempt(loadAll));
  }

  #getOrSet(key: string, value: unknown, options: Ttl | GetOrSetOptions, give: Give): Promise<unknown> {
    const plan = this.#cache.policy.parsed({ name: 'getOrSet', key }, () => this.#plan(options));
    return this.#planned(key, value, plan, give);
  }

  /** @throws {ArgumentError} for a wrong option */
  #plan(options: Ttl | GetOrSetOptions): LoadPlan {
    const plan = parseLoadOptions(options);
    if (plan.tags.length > 0) this.#cache.tags.checkPlace();
    return plan;
  }

  #planned(key: string, value: unknown, plan: LoadPlan, give: Give, onWait?: () => void): Promise<unknown> {
    const { policy, context } = this.#cache;
    const operation = { name: 'getOrSet', key };
    const factory = (): Factory<unknown> =>
      typeof value === 'function' ? observedFactory(value as Factory<unknown>, key, context) : () => value;
    let redisKey: string;
    try {
      redisKey = context.keys.toRedisKey(key);
    } catch (error) {
      const failure = policy.report(operation, error);
      if (failure instanceof ArgumentError) throw failure;
      return this.#loadUnstored(key, factory(), plan, give);
    }
    const load = (look?: FirstLook, verdict?: Verdict): Promise<unknown> =>
      this.#load(
        { key, redisKey, lease: context.keys.siblingKey?.(redisKey, 'lease'), factory: factory(), plan, look, verdict, onWait },
        give,
      );
    return this.#looks.answer(key, redisKey, plan, load, give);
  }

  #load(load: Load, give: Give): Promise<unknown> {
    const { redisKey, plan } = load;
    const { signal } = this.#cache.context;
    if (signal?.aborted) throw this.#report(load.key, new AbortedError(signal.reason));
    const maxAge = plan.lease === false ? undefined : plan.lease * maxTerms;
    const caller = enclosingFunction();
    const { result, isJoined, flight } = this.#flights.run(
      plan.fresh ? this.#fresh : this,
      redisKey,
      (own) => this.#answer({ ...load, flight: own }),
      maxAge,
      plan.fresh,
    );
    // A load that begins here checks by itself if it finds nothing.
    const cycle = isJoined && caller ? this.#cycle(load, flight, caller) : undefined;
    if (cycle) throw cycle;
    if (isJoined) load.onWait?.();
    const value = this.#bounds
      .hold(load, result)
      .then(({ value: own, copy, tier }) =>
        isJoined ? then(copy(), (copied) => give(copied, tier === 'made' ? 'waited' : tier)) : give(own, tier),
      );
    return caller === undefined ? value : value.finally(() => endWait(flight, caller));
  }

  /** Calls the function for one caller and stores nothing: `keyFunction` gave no key. */
  async #loadUnstored(key: string, factory: Factory<unknown>, plan: LoadPlan, give: Give): Promise<unknown> {
    const alone: LoadRun = { key, factory, plan, redisKey: '', lease: undefined, flight: { isOvertaken: false } };
    const result = this.#runner.run(alone, new TimeBudget(this.#cache.context.timeout));
    const { value, tier } = await this.#bounds.hold(alone, result);
    return give(value, tier);
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
    let validity: Validity;
    try {
      const looking = this.#entries.look(load, budget);
      const prefetch = look ? look.prefetch : tags.prefetch();
      snapshot = await looking;
      const checked = reader.validity(snapshot.entry, budget, prefetch);
      validity = checked instanceof Promise ? await checked : checked;
    } catch (error) {
      if (error instanceof AbortedError) throw this.#report(load.key, error);
      this.#report(load.key, error);
      // A Redis that could not be read is not waited for a second time.
      return this.#runner.runApart(load, budget);
    }
    if (plan.fresh) return this.#loaded(load, snapshot, budget, snapshot.entry.found);
    const isExpired = validity === 'stale' && snapshot.entry.found && snapshot.entry.staleFor > 0;
    const entry = validity === 'valid' || isExpired ? snapshot.entry : asMissing(snapshot.entry);
    const left = isExpired ? Math.min(0, freshFor(snapshot)) : freshFor(snapshot);
    const isServable = left > 0 || (plan.staleFor > 0 && -left <= plan.staleFor);
    // From now on its stale window runs, whether it is renewed or not.
    if (isExpired && freshFor(snapshot) > 0 && !load.flight.isOvertaken) this.#expire(load.redisKey, snapshot.entry);
    const decoded = this.#entries.decode(load, entry);
    const found = decoded instanceof Promise ? await decoded : decoded;
    recordRead(context, 'getOrSet', load.key, isServable && found !== undefined ? entry : asMissing(entry), left <= 0);
    if (found === undefined) return this.#loaded(load, snapshot, budget, snapshot.entry.found);
    if (!isServable) return this.#loaded(load, snapshot, budget, false);
    if (left > 0) {
      if (entry.found) context.slide?.(load.key, entry);
      const cost = snapshot.entry.found ? snapshot.entry.cost : 0;
      if (plan.isDueEarly(left, cost, this.#random)) void this.#refresher.run(load, snapshot);
      return found;
    }
    const refreshed = this.#refresher.run(load, snapshot);
    const fresh = plan.softTimeout > 0 ? await withinSoftTimeout(plan.softTimeout, refreshed) : undefined;
    if (fresh) return fresh;
    context.counters.staleServed++;
    return { ...found, tier: 'stale' };
  }

  /** Leaves the entry its stale window, in the background, unless it has changed. */
  #expire(redisKey: string, entry: ReadEntry): void {
    const { background, commands } = this.#cache.context;
    if (entry.found) background.add(commands.expireUnchanged(redisKey, digestOf(entry.bytes), 'stale').catch(() => {}));
  }

  /** The value if none was found: made here, or by the process that holds the lease. `isUnusable`: there is an entry, which is no value. */
  #loaded(load: LoadRun, snapshot: Snapshot, budget: TimeBudget, isUnusable: boolean): Promise<LoadResult> {
    const waiter = enclosingFunction();
    const cycle = waiter && this.#cycle(load, load.flight, waiter);
    if (cycle) return Promise.reject(cycle);
    return this.#leased.load(load, snapshot, budget, isUnusable).catch((error: unknown) => {
      if (error instanceof FactoryFailure) throw error.cause;
      if (error instanceof AbortedError) throw this.#report(load.key, error);
      this.#report(load.key, error);
      return this.#runner.runApart(load, budget);
    });
  }

  #report(key: string, error: unknown): Error {
    return this.#cache.policy.report({ name: 'getOrSet', key }, error);
  }
}

/** A value, and where it came from. */
export interface Detailed<T> {
  readonly value: T;
  readonly tier: LoadTier;
}

const valueAlone: Give = (value) => value;
const detailed: Give = (value, tier) => ({ value, tier });
