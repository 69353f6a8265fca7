import { isOptions, wrongArgument } from '../checks.js';
import { AbortedError, ArgumentError } from '../errors.js';
import { shown } from '../messages.js';
import { setImmediate } from '../time/clock.js';
import { attempt } from '../time/waiting.js';
import type { Factory } from './factory.js';
import { continueInside, enclosingFunction, type RunningFunction, waitFor } from './single-flight.js';

/**
 * Makes the values of the missing keys: a Map or a record by key, or an array in the order of the keys. An Error in
 * place of a value rejects that key alone, and a key that is left out has no value.
 */
export type LoadMany<T> = (keys: readonly string[]) => Loaded<T> | Promise<Loaded<T>>;

/** The values by key, or in the order of the keys. */
export type Loaded<T> = ReadonlyMap<string, T | Error> | Readonly<Record<string, T | Error>> | readonly (T | Error)[];

/** Loads one key. `onWait`: to be called if the function is not called now, because another caller or process makes the value. */
type LoadOne<T> = (key: string, make: Factory<T>, onWait: () => void) => Promise<T>;

/** A key whose value this process makes. */
interface OwnKey<T> {
  readonly key: string;
  readonly running: RunningFunction | undefined;
  settle(result: T | Promise<T>): void;
}

/**
 * Loads of many keys whose values one call of a function makes. It is called once each key is decided: found, waited for, or won by this
 * process. Keys that this process wins later, because the process that had them failed, take a further call.
 */
export class ManyLoads<T> {
  readonly #loadMany: LoadMany<T>;
  #undecided = 0;
  #won: OwnKey<T>[] = [];
  /** Wrong arguments, wrong results of the function, and a caller that gives up: they fail the whole call. */
  readonly #fatal: unknown[] = [];
  readonly #signal: AbortSignal | undefined;

  constructor(loadMany: LoadMany<T>, signal: AbortSignal | undefined) {
    this.#loadMany = loadMany;
    this.#signal = signal;
  }

  /**
   * @returns the values in the order of the keys, with an Error for each key that failed, and `undefined` for one that was left out
   * @throws {ArgumentError} for a wrong argument or a wrong result; an AbortedError for a caller that gave up
   */
  async run(keys: readonly string[], load: LoadOne<T>): Promise<(T | Error | undefined)[]> {
    const own = [...new Set(keys)];
    this.#undecided = own.length;
    const results = new Map<string, T | Error>();
    const one = (key: string): Promise<void> => {
      let isDecided = false;
      const decided = (): void => {
        if (isDecided) return;
        isDecided = true;
        this.#undecided--;
        this.#makeWon();
      };
      const make: Factory<T> = () =>
        new Promise<T>((settle) => {
          this.#won.push({ key, running: enclosingFunction(), settle });
          if (isDecided) setImmediate(() => this.#makeWon());
          else decided();
        });
      const failed = (error: unknown): void => {
        if (error instanceof AbortedError && this.#signal?.aborted) this.#fatal.push(error);
        results.set(key, error instanceof Error ? error : new Error(shown(error), { cause: error }));
      };
      return attempt(() => load(key, make, decided))
        .then((value) => void results.set(key, value), failed)
        .finally(decided);
    };
    await Promise.all(own.map(one));
    if (this.#fatal.length > 0) throw this.#fatal[0];
    return keys.map((key) => results.get(key));
  }

  #makeWon(): void {
    if (this.#undecided > 0 || this.#won.length === 0) return;
    const won = this.#won;
    this.#won = [];
    const keys = won.map(({ key }) => key);
    const made = this.#insideFirst(won, async () => this.#reader(await this.#loadMany(keys), keys));
    for (const [i, { key, settle }] of won.entries()) {
      settle(
        made.then((read) => {
          const value = read(key, i);
          if (value instanceof Error) throw value;
          return value as T;
        }),
      );
    }
  }

  #reader(loaded: Loaded<T>, keys: readonly string[]): (key: string, i: number) => T | Error | undefined {
    try {
      return reader(loaded, keys);
    } catch (error) {
      this.#fatal.push(error);
      throw error;
    }
  }

  /** Runs the work as the function of the first key, for which those of the others wait: so a load that waits for itself is found. */
  #insideFirst<R>([first, ...others]: readonly OwnKey<T>[], work: () => Promise<R>): Promise<R> {
    const running = first?.running;
    if (running === undefined) return work();
    for (const other of others) if (other.running) waitFor(running.flight, other.running, other.key, []);
    return continueInside(running, work);
  }
}

function reader<T>(loaded: Loaded<T>, keys: readonly string[]): (key: string, i: number) => T | Error | undefined {
  if (loaded instanceof Map) return (key) => loaded.get(key);
  if (Array.isArray(loaded)) {
    if (loaded.length !== keys.length) throw new ArgumentError(`expected as many values as keys, ${keys.length}, got ${loaded.length}`);
    return (_key, i) => loaded[i];
  }
  if (!isOptions(loaded)) throw wrongArgument('the result of `loadMany`', 'a Map, a record or an array', loaded);
  return (key) => (Object.hasOwn(loaded, key) ? (loaded as Record<string, T>)[key] : undefined);
}
