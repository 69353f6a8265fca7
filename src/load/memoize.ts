import { checkArgument, isOptions } from '../checks.js';
import { attempt } from '../time/waiting.js';
import type { Factory } from './factory.js';
import { type GetOrSetOptions, parseLoadOptions } from './load-options.js';

/** The options of `memoize`: those of `getOrSet`, and how arguments become a key. */
export interface MemoizeOptions<Args extends readonly unknown[]> extends Omit<GetOrSetOptions, 'tags' | 'fresh'> {
  /** The key of a call. Name the function in it: functions that give the same key share their values. */
  readonly key: (...args: Args) => string;
  /** What the value depends on: see `tags` of `getOrSet`. A function gets the arguments of the call. Default: none. */
  readonly tags?: readonly string[] | ((...args: Args) => readonly string[]) | undefined;
}

/** A function whose results are cached. `this` is passed on; to `refresh` by `cached.refresh.call(self, …)`. */
export interface Memoized<Args extends readonly unknown[], Result> {
  (...args: Args): Promise<Awaited<Result>>;
  /** Deletes the result for these arguments. Fails loud, as `del` does. */
  invalidate(...args: Args): Promise<void>;
  /** Calls the function again and stores its result: `getOrSet` with `fresh: true`. */
  refresh(...args: Args): Promise<Awaited<Result>>;
}

/** The parts of a store that memoizing takes. */
interface MemoizingStore {
  getOrSet<T>(key: string, value: Factory<T>, options: GetOrSetOptions): Promise<T>;
  del(key: string): Promise<void>;
}

/** @throws {ArgumentError} for a wrong option, and without a function or a key function */
export function memoize<Fn extends (...args: never[]) => unknown>(
  store: MemoizingStore,
  fn: Fn,
  options: MemoizeOptions<Parameters<Fn>>,
): Memoized<Parameters<Fn>, ReturnType<Fn>> {
  type Args = Parameters<Fn>;
  type Result = Awaited<ReturnType<Fn>>;
  checkArgument('fn', 'a function', fn, typeof fn === 'function');
  checkArgument('options', 'an object with `key`', options, isOptions(options));
  const { key: keyOf, tags, ...how } = options;
  checkArgument('fresh', 'left out: that is what `refresh` does', 'fresh' in how, !('fresh' in how));
  checkArgument('key', 'a function that makes a key of the arguments', keyOf, typeof keyOf === 'function');
  parseLoadOptions({ ...how, ...(typeof tags !== 'function' && { tags }) });

  function load(self: unknown, args: Args, fresh: boolean): Promise<Result> {
    return attempt(() => {
      const make = (): Promise<Result> => fn.apply(self, args) as Promise<Result>;
      return store.getOrSet(keyOf(...args), make, { ...how, tags: typeof tags === 'function' ? tags(...args) : tags, fresh });
    });
  }

  function memoized(this: unknown, ...args: Args): Promise<Result> {
    return load(this, args, false);
  }
  return Object.assign(memoized, {
    invalidate: (...args: Args): Promise<void> => attempt(() => store.del(keyOf(...args))),
    refresh(this: unknown, ...args: Args): Promise<Result> {
      // Called as its method, which is no `this` of the function.
      return load(this === memoized ? undefined : this, args, true);
    },
  });
}
