import type { Cache } from '../cache/cache.js';
import { AbortedError, FactoryTimeoutError, RefreshError, SchemaError } from '../errors.js';
import { after } from '../time/deadlines.js';
import { abortable, pause } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import type { Load, LoadResult } from './factory.js';
import { FactoryFailure, factoryFailed } from './factory-runner.js';
import type { SingleFlight } from './single-flight.js';

/** How long a caller waits for a load: `hardTimeout`, and its signal. The load goes on without it. */
export class CallerBounds {
  readonly #cache: Cache;
  readonly #flights: SingleFlight;
  /** Loads that a caller gave up waiting for. */
  readonly #abandoned = new WeakSet<Promise<LoadResult>>();

  constructor(cache: Cache, flights: SingleFlight) {
    this.#cache = cache;
    this.#flights = flights;
  }

  /** The result, unless `hardTimeout` is over before, or the caller gives up. */
  hold(load: Load, result: Promise<LoadResult>): Promise<LoadResult> {
    const isUnbounded = load.plan.hardTimeout === undefined && this.#cache.context.signal === undefined;
    return isUnbounded ? result : this.#hold(load, result);
  }

  async #hold(load: Load, result: Promise<LoadResult>): Promise<LoadResult> {
    const { policy, context } = this.#cache;
    const { signal } = context;
    const { hardTimeout } = load.plan;
    let cancel: (() => void) | undefined;
    const over = new Promise<never>((_, reject) => {
      if (hardTimeout !== undefined) cancel = after(hardTimeout, () => reject(new FactoryTimeoutError(hardTimeout)));
    });
    const first = (): Promise<LoadResult> => Promise.race([result.catch(factoryFailed), over]);
    try {
      return await (signal ? abortable(signal, first) : first());
    } catch (error) {
      if (error instanceof FactoryFailure) throw error.cause;
      this.#abandon(load, result);
      // The function may never end: later callers start their own call.
      if (error instanceof FactoryTimeoutError) this.#flights.closeRunning(load.redisKey);
      throw policy.report({ name: 'getOrSet', key: load.key }, error);
    } finally {
      cancel?.();
    }
  }

  /** No caller may be left that sees its failure. */
  #abandon({ key }: Load, result: Promise<LoadResult>): void {
    if (this.#abandoned.has(result)) return;
    this.#abandoned.add(result);
    const { policy, context } = this.#cache;
    const failed = (error: unknown): void => {
      // A result that does not match its schema was told of.
      const isKnown = (error instanceof AbortedError && context.signal?.aborted) || error instanceof SchemaError;
      if (!isKnown) policy.report({ name: 'getOrSet', key }, new RefreshError(error));
    };
    context.background.add(result.catch(failed));
  }
}

/** The result of a refresh, if it comes within `softTimeout`. */
export async function withinSoftTimeout<T>(time: Milliseconds, work: Promise<T | undefined>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([work, pause(time, { signal: over.signal }).then(() => undefined)]);
  } finally {
    over.abort();
  }
}
