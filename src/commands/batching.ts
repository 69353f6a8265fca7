import { expected, OptionError } from '../errors.js';
import type { Commands } from './commands.js';

export interface BatchOptions {
  /** The most keys in one command, ≥ 2. Default 512. */
  readonly max?: number | undefined;
}

/** A call that waits for the end of the tick. */
interface Waiting<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * Same-tick coalescing: reads that are asked in one tick leave as one many-key command, and a key that is asked for more than
 * once is asked for once. A call that is alone stays the single-key command it was. The tick ends with Node's nextTick queue,
 * before anything is written to a socket, so nobody waits for company.
 *
 * Only reads are held back, and no longer than until a write to their key comes: calls on one key keep their order.
 */
export function batching(commands: Commands, { max = 512 }: BatchOptions = {}): Commands {
  if (!Number.isInteger(max) || max < 2) throw new OptionError(expected('batch.max', 'an integer ≥ 2', max));
  const get = new Gathering(max, commands.get, commands.getMany);
  const has = new Gathering(max, commands.has, commands.hasMany);
  const pttl = new Gathering(max, commands.pttl, commands.pttlMany);

  const idle = (): boolean => get.empty && has.empty && pttl.empty;

  /** Lets the waiting reads of these keys go first. */
  function before(keys: Iterable<string>): void {
    if (idle()) return;
    for (const key of keys) {
      get.release(key);
      has.release(key);
      pttl.release(key);
    }
  }
  const writing =
    <A extends unknown[], R>(write: (key: string, ...rest: A) => R) =>
    (key: string, ...rest: A): R => {
      before([key]);
      return write(key, ...rest);
    };

  return {
    ...commands,
    get: (key) => get.ask(key),
    has: (key) => has.ask(key),
    pttl: (key) => pttl.ask(key),
    set(key, value, ttl) {
      if (!idle()) before([key]);
      return commands.set(key, value, ttl);
    },
    add: writing(commands.add),
    replace: writing(commands.replace),
    getAndDelete: writing(commands.getAndDelete),
    expire: writing(commands.expire),
    persist: writing(commands.persist),
    incrBy: writing(commands.incrBy),
    setMany(entries) {
      before(entries.map(({ key }) => key));
      return commands.setMany(entries);
    },
    del(keys) {
      before(keys.map(String));
      return commands.del(keys);
    },
    delEach(keys) {
      before(keys);
      return commands.delEach(keys);
    },
    rename(from, to) {
      before([from, to]);
      return commands.rename(from, to);
    },
  };
}

/** The reads of one kind that wait for the end of the tick. */
class Gathering<T> {
  readonly #max: number;
  readonly #one: (key: string) => Promise<T>;
  readonly #many: (keys: readonly string[]) => Promise<T[]>;
  readonly #flush = (): void => this.flush();
  #waiting = new Map<string, Waiting<T>>();

  constructor(max: number, one: (key: string) => Promise<T>, many: (keys: readonly string[]) => Promise<T[]>) {
    this.#max = max;
    this.#one = one;
    this.#many = many;
  }

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  ask(key: string): Promise<T> {
    const asked = this.#waiting.get(key);
    if (asked) return asked.promise;
    if (this.#waiting.size === 0) process.nextTick(this.#flush);
    let resolve!: (value: T) => void;
    let reject!: (error: unknown) => void;
    const promise = new Promise<T>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#waiting.set(key, { promise, resolve, reject });
    return promise;
  }

  release(key: string): void {
    if (this.#waiting.has(key)) this.flush();
  }

  flush(): void {
    if (this.#waiting.size === 0) return;
    const keys = [...this.#waiting.keys()];
    const calls = [...this.#waiting.values()];
    this.#waiting = new Map();
    for (let i = 0; i < keys.length; i += this.#max) void this.#send(keys.slice(i, i + this.#max), calls.slice(i, i + this.#max));
  }

  async #send(keys: readonly string[], calls: readonly Waiting<T>[]): Promise<void> {
    try {
      const values = keys.length === 1 ? [await this.#one(keys[0] as string)] : await this.#many(keys);
      for (let i = 0; i < calls.length; i++) calls[i]?.resolve(values[i] as T);
    } catch (error) {
      for (const call of calls) call.reject(error);
    }
  }
}
