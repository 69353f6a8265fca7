import type { Cache } from '../cache/cache.js';
import { recordRead } from '../cache/recording.js';
import { then } from '../codec/serializers.js';
import { performance } from '../time/clock.js';
import { runningTime } from '../time/deadlines.js';
import { attempt } from '../time/waiting.js';
import type { LoadPlan } from './load-options.js';
import type { FirstLook, SingleFlight } from './single-flight.js';

/** Begins a load, which goes on with what was read. `isUnreadable`: the entry cannot be decoded, which was reported. */
type BeginLoad = (look?: FirstLook, isUnreadable?: boolean) => Promise<unknown>;

/** Reads entries before a load begins: most calls are hits, which need no more than that. */
export class FirstLooks {
  readonly #cache: Cache;
  readonly #flights: SingleFlight;

  constructor(cache: Cache, flights: SingleFlight) {
    this.#cache = cache;
    this.#flights = flights;
  }

  /** The value of an entry that alone decides that it counts; else the answer of a load. */
  answer(key: string, redisKey: string, plan: LoadPlan, load: BeginLoad): Promise<unknown> {
    const { context, values } = this.#cache;
    // Those bound the wait for a load, or need more than the entry.
    if (plan.needsTtl || plan.hardTimeout !== undefined || context.signal !== undefined) return load();
    const look = this.#flights.look(this, redisKey, () => this.#look(redisKey));
    if (look === undefined) return load();
    return look.entry.then(
      (entry) => {
        this.#flights.looked(redisKey, look);
        if (!entry.found || values.needsCheck(entry)) return load(look);
        return then(values.decode('getOrSet', key, entry, redisKey), (value) => {
          if (value === undefined) return load(look, true);
          recordRead(context, 'getOrSet', key, entry);
          return value;
        });
      },
      () => {
        this.#flights.looked(redisKey, look);
        return load(look);
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
