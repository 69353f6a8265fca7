import type { Cache } from '../cache/cache.js';
import type { Snapshot } from '../cache/reader.js';
import { isSameEntry, missingInRedis, type TagGenerations } from '../codec/entry.js';
import type { NewLease } from '../commands/commands.js';
import type { TimeBudget } from '../time/budget.js';
import { performance } from '../time/clock.js';
import type { EntryWatch, Wait, WaitResult } from './entry-watch.js';
import type { LoadResult, LoadRun } from './factory.js';
import type { FactoryRunner, LoadBasis } from './factory-runner.js';
import { endSince, Lease, unsharedMark } from './lease.js';

/** Loads of which one runs at a time in all processes: under a lease, or waiting for the process that holds it. */
export class LeasedLoads {
  readonly #cache: Cache;
  readonly #entries: EntryWatch;
  readonly #runner: FactoryRunner;

  constructor(cache: Cache, entries: EntryWatch, runner: FactoryRunner) {
    this.#cache = cache;
    this.#entries = entries;
    this.#runner = runner;
  }

  /** `before`: what was read. `isUnusable`: there was an entry, which is no value. */
  async load(load: LoadRun, before: Snapshot, budget: TimeBudget, isUnusable: boolean): Promise<LoadResult> {
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
      const lease = await this.#claim(load, leaseKey, { time: plan.lease, urgent: true, fresh: plan.fresh }, budget);
      if (lease === undefined) return this.#make(load, budget, { snapshot, generations });
      if (typeof lease !== 'string') {
        if (lease.seesEntry) return this.#makeUnless(load, lease, generations, budget, isUnusable ? before : undefined);
        return this.#make(load, budget, { snapshot: none(), generations, lease });
      }
      if (isAlone) return this.#make(load, budget);
      const end = endSince(wait?.holder, lease);
      if (!wait) this.#cache.context.counters.leaseWaits++;
      load.onWait?.();
      wait = { holder: lease, until, idle: false };
      const waited: WaitResult = end ? { kind: 'ended', end } : await this.#entries.wait(load, snapshot, budget, wait);
      if (waited.kind === 'changed') {
        snapshot = waited.snapshot;
        const found = await this.#entries.readFresh(load, snapshot, budget, 'waited');
        if (found) return found;
      } else if (waited.kind === 'ended') {
        const made = waited.end.kind === 'nothing' ? await this.#runner.madeElsewhere(waited.end.value) : undefined;
        if (made) return made;
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
      // A fresh load takes no value of before.
      const mayCount = !load.plan.fresh && !(unusable && isSameEntry(snapshot.entry, unusable.entry));
      if (mayCount) found = await this.#entries.readFresh(load, snapshot, budget);
    } catch (error) {
      this.#cache.context.background.add(lease.end());
      throw error;
    }
    if (!found) return this.#make(load, budget, { snapshot, generations, lease });
    this.#cache.context.background.add(lease.end());
    return found;
  }

  #claim({ redisKey }: LoadRun, key: string, how: Omit<NewLease, 'token'>, budget: TimeBudget): Promise<Lease | string | undefined> {
    const claim = Lease.claim(this.#cache.context, key, redisKey, how);
    return budget.measure(claim).catch((error: unknown) => {
      this.#cache.context.background.add(claim.then((lease) => (lease instanceof Lease ? lease.end() : undefined)));
      throw error;
    });
  }

  #make(load: LoadRun, budget: TimeBudget, basis: Partial<LoadBasis> = {}): Promise<LoadResult> {
    return this.#runner.make(load, budget, basis, unsharedMark);
  }
}

/** The snapshot of a key that is missing now. */
function none(): Snapshot {
  return { entry: missingInRedis, left: undefined, at: performance.now() };
}
