import type { Cache } from '../cache/cache.js';
import { freshFor, type Snapshot } from '../cache/reader.js';
import { tierOf } from '../cache/recording.js';
import { isSameEntry, missingInRedis, type ReadEntry } from '../codec/entry.js';
import { type MaybePromise, then } from '../codec/serializers.js';
import { missing } from '../commands/commands.js';
import { AbortedError } from '../errors.js';
import type { TimeBudget } from '../time/budget.js';
import { performance } from '../time/clock.js';
import { abortable, backoff, type PauseOptions } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import { isObject, type Load, type LoadResult, type LoadTier } from './factory.js';
import { endSince, type LoadEnd } from './lease.js';

/** A wait for the load of another process. */
export interface Wait {
  /** What the lease held at the last look. */
  holder: string;
  /** When to stop waiting, on the monotonic clock. */
  readonly until: () => Milliseconds;
  /** Whether the wait keeps no process alive. */
  readonly idle: boolean;
}

export type WaitResult =
  | { readonly kind: 'changed'; readonly snapshot: Snapshot }
  /** The lease expired, or was deleted. */
  | { readonly kind: 'free' }
  | { readonly kind: 'ended'; readonly end: LoadEnd }
  | { readonly kind: 'over' };

/** Reads the entry of a load, and waits until another process has written it. */
export class EntryWatch {
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** The entry, with its time left if the plan needs it. `fromRedis`: as Redis holds it now. */
  look({ redisKey, plan, look }: Load, budget: TimeBudget, fromRedis = false): Promise<Snapshot> {
    const first = fromRedis ? undefined : look;
    return this.#cache.reader.snapshot(redisKey, budget, { needsTtl: plan.needsTtl, tracked: true, fromRedis, first });
  }

  /** The value of an entry that counts; `undefined` if there is none, or it cannot be decoded. */
  decode(
    { key, redisKey }: Load,
    entry: ReadEntry,
    tier: LoadTier = tierOf(this.#cache.context, entry),
  ): MaybePromise<LoadResult | undefined> {
    if (!entry.found) return undefined;
    const decode = (): MaybePromise<unknown> => {
      const value = this.#cache.values.decode('getOrSet', key, entry, redisKey);
      return value instanceof Promise ? value.catch(unlessAborted) : value;
    };
    return then(decode(), (value) => (value === undefined ? undefined : { value, tier, copy: () => (isObject(value) ? decode() : value) }));
  }

  /** The value of the snapshot, fresh or stale, if its tags are valid. */
  async read(load: Load, { entry }: Snapshot, budget: TimeBudget, tier?: LoadTier): Promise<LoadResult | undefined> {
    return (await this.#cache.reader.validity(entry, budget)) === 'valid' ? this.decode(load, entry, tier) : undefined;
  }

  /** The value that a function may replace: as it was stored, before a schema made something else of it. */
  async stale({ key, redisKey }: Load, { entry }: Snapshot, budget: TimeBudget): Promise<unknown> {
    const validity = await this.#cache.reader.validity(entry, budget);
    return entry.found && validity !== 'invalid'
      ? this.#cache.values.stored('getOrSet', key, entry, redisKey).catch(unlessAborted)
      : undefined;
  }

  async readFresh(load: Load, snapshot: Snapshot, budget: TimeBudget, tier?: LoadTier): Promise<LoadResult | undefined> {
    return freshFor(snapshot) > 0 ? this.read(load, snapshot, budget, tier) : undefined;
  }

  /**
   * Waits until the entry has changed, or the load of the process that holds the lease has ended otherwise. With tracking it looks when a key
   * was invalidated, and when the lease must have expired. Without, it polls.
   */
  async wait({ redisKey, lease, plan }: Load, { entry: before }: Snapshot, budget: TimeBudget, wait: Wait): Promise<WaitResult> {
    const { commands, timeout } = this.#cache.context;
    const keys = [redisKey, lease as string];
    const { idle } = wait;
    const pause = (time: Milliseconds, signal?: AbortSignal): Promise<void> => this.#pause(budget, time, { idle, signal });
    let gap = 0;
    for (const delay of pollDelays(timeout)) {
      const watch = commands.tracked?.watch(keys);
      try {
        if (!watch) await pause(Math.min(delay, wait.until() - performance.now()));
        const at = performance.now();
        // A replica that answers would hide that the primary, which has to store what is waited for, does not.
        const look = watch ? watch.read() : commands.getMany(keys, 'primary');
        const [entry = missingInRedis, holder = missingInRedis] = await budget.poll(look);
        // An entry that was just stored is fresh.
        if (entry.found && !isSameEntry(entry, before)) return { kind: 'changed', snapshot: { entry, left: missing, at } };
        if (!holder.found) return { kind: 'free' };
        const end = endSince(wait.holder, String(holder.bytes));
        if (end) return { kind: 'ended', end };
        wait.holder = String(holder.bytes);
        if (at >= wait.until()) break;
        if (!watch) continue;
        // Redis sends an invalidation for an expired key only when it comes across it.
        const mustHaveExpired = Math.min(plan.lease as Milliseconds, 10_000) * (1 + Math.random() / 4);
        await pause(Math.min(mustHaveExpired, wait.until() - at), watch.signal);
        // A server whose tracking table is full invalidates again and again.
        await pause(gap - (performance.now() - at));
        gap = Math.min(100, gap + 20);
      } finally {
        watch?.end();
      }
    }
    return { kind: 'over' };
  }

  /** Pauses, and rejects as soon as the caller gives up. */
  async #pause(budget: TimeBudget, time: Milliseconds, options: PauseOptions): Promise<void> {
    const { signal } = this.#cache.context;
    if (!signal) return budget.pause(time, options);
    const over = new AbortController();
    try {
      await abortable(signal, () => budget.pause(time, { ...options, caller: over.signal }));
    } finally {
      over.abort();
    }
  }
}

/** A value that was not decoded in time, which was reported, is made anew, whatever `onFailure` says. */
function unlessAborted(error: unknown): undefined {
  if (error instanceof AbortedError) throw error;
}

/** How long to wait between two polls: longer each time, and longer still after the deadline of a call. */
function* pollDelays(timeout: Milliseconds): Generator<Milliseconds> {
  const [duringCall, after] = [Math.min(1000, timeout / 4), Math.min(1000, timeout / 2)];
  let waited = 0;
  for (const delay of backoff(80, 3, duringCall)) {
    if (waited > timeout) break;
    waited += delay;
    yield delay;
  }
  yield* backoff(after, 1, after);
}
