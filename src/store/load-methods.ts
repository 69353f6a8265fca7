import type { Factory } from '../load/factory.js';
import type { GetOrSetOptions } from '../load/load-options.js';
import type { Detailed } from '../load/loader.js';
import type { LoadMany } from '../load/many-loads.js';
import type { Memoized, MemoizeOptions } from '../load/memoize.js';
import type { Ttl } from '../ttl.js';
import type { TypedOptions, TypedStore } from './typed.js';

/** The methods of a store that make values. */
export interface LoadMethods {
  /**
   * The value under the key. If there is none, `value`, or the result of the function, which is stored. Redis: GET; for a miss, a script
   * that claims a lease, and one that stores.
   *
   * One call of the function runs at a time for all callers of all processes; the others wait for its result. A deletion while it runs wins:
   * waiting callers get the result, and it is not stored. An error of the function rejects for its callers and is not stored. If the result is
   * `undefined`, or `isCacheable` refuses it, the old entry is deleted. If Redis cannot be reached, the function runs all the same.
   *
   * @param options time to live, or {@link GetOrSetOptions}: stale values, early refresh, timeouts
   * @throws {FactoryTimeoutError} after `hardTimeout`
   * @throws {UnsupportedError} at once, for a function that waits for its own key, directly or through other loads
   * @example const user = await store.getOrSet('user:1', () => db.user(1), { ttl: 60_000, staleFor: 30_000 });
   */
  getOrSet<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<T>;

  /**
   * `getOrSet`, with where the value came from: `{ value, tier }`. See {@link LoadTier}.
   * @example
   * const { value, tier } = await store.getOrSetDetailed('user:1', () => db.user(1), 60_000);
   * response.setHeader('X-Cache', tier);
   */
  getOrSetDetailed<T>(key: string, value: T | Factory<T>, options?: Ttl | GetOrSetOptions): Promise<Detailed<T>>;

  /**
   * The values under the keys, in their order; an Error in place of a value that could not be made, as in DataLoader's `loadMany`, and
   * `undefined` for a key that the function leaves out. The keys that are not cached, and that no other process is loading, are passed to the
   * function in one call, and its results are stored. Redis: MGET (with `staleFor` or `refreshAhead` PTTL and GET of each), and two scripts for
   * each key that is made, in two pipelines. Values of other processes are waited for, as by `getOrSet`.
   *
   * @param loadMany gets keys, and returns a Map or a record by key, or an array in their order; an Error in place of a value fails that key
   * @throws {ArgumentError} for a wrong argument, and for a result of `loadMany` that is none of these
   * @example const users = await store.getOrSetMany(['user:1', 'user:2'], (keys) => db.usersByKey(keys), 60_000);
   */
  getOrSetMany<T>(keys: readonly string[], loadMany: LoadMany<T>, options?: Ttl | GetOrSetOptions): Promise<(T | Error | undefined)[]>;

  /**
   * A view of this store with values of one type: what does not match the schema is neither stored nor returned.
   *
   * @throws {ArgumentError} for a wrong option
   * @example
   * const users = store.typed({ schema: z.object({ id: z.number(), name: z.string() }), prefix: 'user:' });
   * const user = await users.get('1'); // { id: number, name: string } | undefined
   */
  typed<Input, Output>(options: TypedOptions<Input, Output>): TypedStore<Input, Output>;

  /**
   * A function whose results are stored: `getOrSet` under the key that `options.key` makes of the arguments. Arguments and result
   * keep their types, without type parameters and overloads.
   *
   * `.invalidate(...args)` deletes a result, `.refresh(...args)` makes it again.
   *
   * @throws {ArgumentError} for a wrong option
   * @example
   * const userOf = store.memoize((id: number) => db.user(id), { key: (id) => `user:${id}`, ttl: 60_000 });
   * const user = await userOf(1);
   */
  memoize<Fn extends (...args: never[]) => unknown>(
    fn: Fn,
    options: MemoizeOptions<Parameters<Fn>>,
  ): Memoized<Parameters<Fn>, ReturnType<Fn>>;
}
