import type { Cache } from '../cache/cache.js';
import { recordRead, tierOf } from '../cache/recording.js';
import type { StoredEntry } from '../codec/entry.js';
import type { MaybePromise } from '../codec/serializers.js';
import { performance } from '../time/clock.js';
import { runningTime } from '../time/deadlines.js';
import { attempt } from '../time/waiting.js';
import type { LoadTier, Verdict } from './factory.js';
import type { LoadPlan } from './load-options.js';
import type { FirstLook, SingleFlight } from './single-flight.js';

/** What a caller gets for a value, and where that came from. */
export type Give = (value: unknown, tier: LoadTier) => unknown;

/** Begins a load, which goes on with what was read. */
type BeginLoad = (look?: FirstLook, verdict?: Verdict) => Promise<unknown>;

/** Reads entries before a load begins: most calls are hits, which need no more than that. */
export class FirstLooks {
  readonly #cache: Cache;
  readonly #flights: SingleFlight;

  constructor(cache: Cache, flights: SingleFlight) {
    this.#cache = cache;
    this.#flights = flights;
  }

  /** The value of an entry without a stale window whose tags are valid; else the answer of a load. `give`: what the caller gets for a value. */
  answer(key: string, redisKey: string, plan: LoadPlan, load: BeginLoad, give: Give): Promise<unknown> {
    const { context, reader, values } = this.#cache;
    // Those bound the wait for a load, or need more than the entry, or none.
    if (plan.fresh || plan.needsTtl || plan.hardTimeout !== undefined || context.signal !== undefined) return load();
    const look = this.#flights.look(this, redisKey, () => this.#look(redisKey));
    if (look === undefined) return load();
    const counted = (entry: StoredEntry, value: unknown): unknown => {
      context.slide?.(key, entry);
      recordRead(context, 'getOrSet', key, entry);
      return give(value, tierOf(context, entry));
    };
    const hit = (entry: StoredEntry): MaybePromise<unknown> => {
      const decoded = values.decode('getOrSet', key, entry, redisKey);
      if (!(decoded instanceof Promise)) return decoded === undefined ? load(look, 'unreadable') : counted(entry, decoded);
      // Decoding has a deadline of its own, and its failure was reported.
      const used = runningTime() - look.began;
      const unreadable = (): Promise<unknown> => load({ ...look, began: runningTime() - used }, 'unreadable');
      return decoded.then((value) => (value === undefined ? unreadable() : counted(entry, value)), unreadable);
    };
    const miss = (): Promise<unknown> => load(look);
    return look.entry.then(
      (entry) => {
        this.#flights.looked(redisKey, look);
        look.answer = entry;
        if (!entry.found || entry.staleFor > 0) return miss();
        if (!values.needsCheck(entry)) return hit(entry);
        const isValid = Promise.resolve(reader.isValid(entry, look.began, look.prefetch));
        return isValid.then((valid) => (valid ? hit(entry) : load(look, 'invalidated')), miss);
      },
      () => {
        this.#flights.looked(redisKey, look);
        return miss();
      },
    );
  }

  #look(redisKey: string): FirstLook {
    const { context, tags } = this.#cache;
    const [at, began] = [performance.now(), runningTime()];
    const entry = attempt(() => (context.commands.tracked ?? context.commands).get(redisKey));
    return { owner: this, entry, at, began, prefetch: tags.prefetch() };
  }
}
