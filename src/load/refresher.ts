import type { Cache } from '../cache/cache.js';
import { freshFor, type Snapshot } from '../cache/reader.js';
import { isSameEntry } from '../codec/entry.js';
import { markStart } from '../commands/commands.js';
import { RefreshError } from '../errors.js';
import { TimeBudget } from '../time/budget.js';
import { performance, setTimeout } from '../time/clock.js';
import type { EntryWatch } from './entry-watch.js';
import type { Load, LoadResult, LoadRun } from './factory.js';
import { FactoryFailure, type FactoryRunner } from './factory-runner.js';
import { cooldownMark, Lease } from './lease.js';
import type { SingleFlight } from './single-flight.js';

/** Refreshes entries that are stale or soon will be, while their values are served. */
export class Refresher {
  readonly #cache: Cache;
  readonly #flights: SingleFlight;
  readonly #entries: EntryWatch;
  readonly #runner: FactoryRunner;
  /** Keys whose refresh failed lately. */
  readonly #coolingDown = new Set<string>();

  constructor(cache: Cache, flights: SingleFlight, entries: EntryWatch, runner: FactoryRunner) {
    this.#cache = cache;
    this.#flights = flights;
    this.#entries = entries;
    this.#runner = runner;
  }

  /** Refreshes in the background, one load at a time in this process. `undefined` without a new value. Never rejects. */
  run(load: Load, snapshot: Snapshot): Promise<LoadResult | undefined> {
    const { redisKey, key, plan } = load;
    const { policy, context } = this.#cache;
    if (this.#coolingDown.has(redisKey)) return Promise.resolve(undefined);
    const { result, isJoined } = this.#flights.run(this, redisKey, (flight) =>
      this.#refresh({ ...load, flight, isRefresh: true }, snapshot).catch((error: unknown) => {
        const failure = error instanceof FactoryFailure ? new RefreshError(error.cause) : error;
        policy.report({ name: 'getOrSet', key }, failure);
        this.#coolingDown.add(redisKey);
        setTimeout(() => this.#coolingDown.delete(redisKey), plan.cooldown).unref();
        return undefined;
      }),
    );
    if (isJoined) {
      load.onWait?.();
      return result.then(async (shared) => {
        if (shared) return { ...shared, tier: 'waited', value: await shared.copy() };
        // That one has waited for another process as long as its own caller would, not this one.
        return plan.softTimeout > 0 ? this.run(load, snapshot) : undefined;
      });
    }
    context.background.add(result);
    return result;
  }

  async #refresh(load: LoadRun, snapshot: Snapshot): Promise<LoadResult | undefined> {
    const { plan, lease: leaseKey } = load;
    // No caller waits for it, or only during `softTimeout`.
    const unlimited = new TimeBudget(Number.POSITIVE_INFINITY);
    const [stale, generations] = await Promise.all([
      this.#entries.stale(load, snapshot, unlimited),
      this.#runner.generations(load, unlimited),
    ]);
    const mark = cooldownMark(plan.cooldown);
    const lease =
      plan.lease === false || leaseKey === undefined
        ? undefined
        : await Lease.claim(this.#cache.context, leaseKey, load.redisKey, { time: plan.lease, urgent: false, fresh: false });
    if (lease === undefined) return this.#runner.make(load, unlimited, { snapshot, generations }, mark, stale);
    if (typeof lease === 'string') return this.#waitFor(load, snapshot, lease, unlimited);
    // Other processes wait for the lease.
    const budget = new TimeBudget(this.#cache.context.timeout);
    let now: Snapshot;
    try {
      now = await this.#entries.look(load, budget, true);
      if (!isSameEntry(now.entry, snapshot.entry) || freshFor(now) > freshFor(snapshot)) {
        await lease.end();
        return await this.#entries.readFresh(load, now, budget);
      }
    } catch (error) {
      this.#cache.context.background.add(lease.end());
      throw error;
    }
    return this.#runner.make(load, budget, { snapshot: now, generations, lease }, mark, stale);
  }

  /** Another process refreshes, or failed to lately. Only a caller with a `softTimeout` waits for the result. */
  async #waitFor(load: LoadRun, snapshot: Snapshot, holder: string, budget: TimeBudget): Promise<LoadResult | undefined> {
    const { softTimeout } = load.plan;
    if (softTimeout === 0 || holder === markStart) return undefined;
    this.#cache.context.counters.leaseWaits++;
    load.onWait?.();
    const until = performance.now() + softTimeout;
    const waited = await this.#entries.wait(load, snapshot, budget, { holder, until: () => until, idle: true });
    if (waited.kind === 'changed') return this.#entries.read(load, waited.snapshot, budget, 'waited');
    return waited.kind === 'ended' && waited.end.kind === 'nothing' ? this.#runner.madeElsewhere(waited.end.value) : undefined;
  }
}
