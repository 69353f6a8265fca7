import { nextTick } from '../connection/real-time.js';
import { expected, OptionError } from '../errors.js';
import { isOptions, onlyKnown } from '../known-names.js';
import type { Commands } from './commands.js';

export interface BatchOptions {
  /** The most keys in one command, ≥ 2. Default 512. */
  readonly max?: number | undefined;
}

/** @throws {OptionError} for what cannot be understood */
export function checkBatch(options: BatchOptions | undefined = {}): void {
  if (!isOptions(options)) throw new OptionError(expected('batch', 'false or an object', options));
  onlyKnown('batch', options, { max: true } satisfies Record<keyof BatchOptions, true>);
  const { max = 512 } = options;
  if (!Number.isInteger(max) || max < 2) throw new OptionError(expected('batch.max', 'an integer ≥ 2', max));
}

/** Which keys may share a command: all of them, or in a cluster those of one slot, so that what fails there fails only its own. */
export type Together = (keys: readonly string[]) => Iterable<readonly string[]>;

const everything: Together = (keys) => [keys];

/** A call that waits for the end of the tick. */
interface Waiting<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * Same-tick coalescing: reads, or deletions, that are asked in one tick leave as one many-key command, and a key that is asked for more than
 * once is asked for once. A call that is alone stays the single-key command it was. The tick ends with Node's nextTick queue,
 * before anything is written to a socket, so nobody waits for company.
 *
 * Only reads and deletions are held back, and no longer than until a call comes that must not overtake them: calls on one key
 * keep their order.
 */
export function batching(commands: Commands, { max = 512 }: BatchOptions = {}, together: Together = everything): Commands {
  const get = new Gathering(max, together, commands.get, commands.getMany);
  const has = new Gathering(max, together, commands.has, commands.hasMany);
  const pttl = new Gathering(max, together, commands.pttl, commands.pttlMany);

  /** The leases of the keys whose deletion waits. */
  const leases = new Map<string, string>();
  function leaseOf(key: string): string | undefined {
    const lease = leases.get(key);
    leases.delete(key);
    return lease;
  }
  const drop = new Gathering<unknown>(
    max,
    together,
    (key) => commands.drop(key, leaseOf(key)),
    async (keys) => {
      await commands.del(keys, keys.map(leaseOf), true);
      return [];
    },
  );

  const idle = (): boolean => get.empty && has.empty && pttl.empty && drop.empty;

  /** Lets the waiting reads and deletions of these keys go first. */
  function before(keys: Iterable<string | Buffer>): void {
    if (idle()) return;
    for (const each of keys) {
      const key = String(each);
      get.release(key);
      has.release(key);
      pttl.release(key);
      drop.release(key);
    }
  }
  const reading =
    <T>(reads: Gathering<T>) =>
    (key: string): Promise<T> => {
      if (!drop.empty) drop.release(key);
      return reads.ask(key);
    };
  const readingMany =
    <T>(read: (keys: readonly string[]) => Promise<T[]>) =>
    (keys: readonly string[]): Promise<T[]> => {
      if (!drop.empty) for (const key of keys) drop.release(key);
      return read(keys);
    };
  const writing =
    <A extends unknown[], R>(write: (key: string, ...rest: A) => R) =>
    (key: string, ...rest: A): R => {
      before([key]);
      return write(key, ...rest);
    };

  return {
    ...commands,
    get: reading(get),
    has: reading(has),
    pttl: reading(pttl),
    getWithTtl: writing(commands.getWithTtl),
    drop(key, lease) {
      if (lease !== undefined) leases.set(key, lease);
      if (!idle()) {
        get.release(key);
        has.release(key);
        pttl.release(key);
      }
      return drop.ask(key);
    },
    getMany: readingMany(commands.getMany),
    hasMany: readingMany(commands.hasMany),
    pttlMany: readingMany(commands.pttlMany),
    heads(keys, length) {
      if (!drop.empty) for (const key of keys) drop.release(key);
      return commands.heads(keys, length);
    },
    sweepHeads(entries) {
      before(entries.map(({ key }) => key));
      return commands.sweepHeads(entries);
    },
    scan(glob, cursor) {
      drop.flush();
      return commands.scan(glob, cursor);
    },
    set(key, value, ttl) {
      if (!idle()) before([key]);
      return commands.set(key, value, ttl);
    },
    add: writing(commands.add),
    replace: writing(commands.replace),
    getAndDelete: writing(commands.getAndDelete),
    expire: writing(commands.expire),
    stamp: writing(commands.stamp),
    persist: writing(commands.persist),
    incrBy: writing(commands.incrBy),
    setMany(entries) {
      before(entries.map(({ key }) => key));
      return commands.setMany(entries);
    },
    fill(entry, claim) {
      before([entry.key]);
      return commands.fill(entry, claim);
    },
    retire: writing(commands.retire),
    del(keys, leases, uncounted) {
      before(keys);
      return commands.del(keys, leases, uncounted);
    },
    sweep(keys) {
      before(keys);
      return commands.sweep(keys);
    },
    delEach(keys, leases) {
      before(keys);
      return commands.delEach(keys, leases);
    },
    rename(from, to) {
      before([from, to]);
      return commands.rename(from, to);
    },
  };
}

/** The calls of one kind that wait for the end of the tick. */
class Gathering<T> {
  readonly #max: number;
  readonly #together: Together;
  readonly #one: (key: string) => Promise<T>;
  readonly #many: (keys: readonly string[]) => Promise<T[]>;
  readonly #flush = (): void => this.flush();
  #waiting = new Map<string, Waiting<T>>();

  constructor(max: number, together: Together, one: (key: string) => Promise<T>, many: (keys: readonly string[]) => Promise<T[]>) {
    this.#max = max;
    this.#together = together;
    this.#one = one;
    this.#many = many;
  }

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  ask(key: string): Promise<T> {
    const asked = this.#waiting.get(key);
    if (asked) return asked.promise;
    if (this.#waiting.size === 0) nextTick(this.#flush);
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
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const keys of this.#together([...waiting.keys()])) {
      for (let i = 0; i < keys.length; i += this.#max) {
        const part = keys.slice(i, i + this.#max);
        void this.#send(
          part,
          part.map((key) => waiting.get(key) as Waiting<T>),
        );
      }
    }
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
