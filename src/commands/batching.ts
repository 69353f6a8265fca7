import { check, checkInteger, isOptions, onlyKnown } from '../checks.js';
import { nextTick } from '../time/clock.js';
import type { Commands } from './commands.js';
import { partOf } from './partial-read.js';
import { wrapEach } from './verbs.js';

/** The option `batch`. */
export interface BatchOptions {
  /** The most keys in one command, ≥ 2. Default 512. */
  readonly max?: number | undefined;
}

/** @throws {OptionError} for an invalid option */
export function checkBatch(options: BatchOptions | undefined = {}): void {
  check('batch', 'false or an object', options, isOptions(options));
  onlyKnown('batch', options, { max: true } satisfies Record<keyof BatchOptions, true>);
  const { max = 512 } = options;
  checkInteger('batch.max', max, 2);
}

/** Which keys may share a command: all, or in a cluster those of one slot, so that a failure of one node fails only its keys. */
type GroupKeys = (keys: readonly string[]) => Iterable<readonly string[]>;

/**
 * Same-tick coalescing: reads, or deletions, of one tick leave as one command for many keys, and a key that is read twice is sent once. A
 * call that is alone stays a command for one key. The tick ends with Node's nextTick queue, before anything is written to a socket, so no
 * call waits for another.
 *
 * Calls on one key keep their order: a waiting read or deletion leaves before a call that must not overtake it.
 */
export function batching(commands: Commands, { max = 512 }: BatchOptions = {}, groupKeys: GroupKeys = (keys) => [keys]): Commands {
  const gets = new TickBatch(max, groupKeys, commands.get, commands.getMany);
  const checks = new TickBatch(max, groupKeys, commands.has, commands.hasMany);
  const ttls = new TickBatch(max, groupKeys, commands.pttl, commands.pttlMany);
  const leases = new Map<string, string>();
  const unlinks = new TickBatch<unknown>(
    max,
    groupKeys,
    (key) => commands.unlink([key], { leases: [leaseOf(key)], counted: false }),
    async (keys) => {
      await commands.unlink(keys, { leases: keys.map(leaseOf), counted: false });
      return [];
    },
  );

  function leaseOf(key: string): string | undefined {
    const lease = leases.get(key);
    leases.delete(key);
    return lease;
  }

  const reads = [gets, checks, ttls];
  const all = [...reads, unlinks];

  const isIdle = (): boolean => gets.isEmpty && unlinks.isEmpty && checks.isEmpty && ttls.isEmpty;

  /** Sends what waits for these keys. */
  function flush(batches: readonly Pick<TickBatch<unknown>, 'isEmpty' | 'flushIfHolds'>[], keys: readonly (string | Buffer)[]): void {
    for (const batch of batches) if (!batch.isEmpty) for (const key of keys) batch.flushIfHolds(String(key));
  }

  function reading<T>(batch: TickBatch<T>): (key: string) => Promise<T> {
    return (key) => {
      if (!unlinks.isEmpty) unlinks.flushIfHolds(key);
      return batch.add(key);
    };
  }

  return {
    ...wrapEach(commands, (verb, call, name) => (a, b, c, d) => {
      if (!isIdle()) flush(verb.access === 'read' && name !== 'getWithTtl' ? [unlinks] : all, verb.keys(a, b));
      return call(a, b, c, d);
    }),
    get: reading(gets),
    has: reading(checks),
    pttl: reading(ttls),
    // Written out, because it is called so often that it can be measured.
    set(key, value, ttl) {
      if (!isIdle()) flush(all, [key]);
      return commands.set(key, value, ttl);
    },
    unlink(keys, options) {
      const [key] = keys;
      if (keys.length !== 1 || typeof key !== 'string' || options?.counted !== false) {
        flush(all, keys);
        return commands.unlink(keys, options);
      }
      const lease = options.leases?.[0];
      if (lease !== undefined) leases.set(key, lease);
      flush(reads, keys);
      return unlinks.add(key) as Promise<number>;
    },
    scan(glob, cursor) {
      unlinks.flush();
      return commands.scan(glob, cursor);
    },
  };
}

/** A call that waits for the end of the tick. A class: V8 may move what an object literal makes among the old objects, which costs much. */
class PendingCall<T> {
  /** Stays: if no instance did, each major garbage collection would drop the hidden class, and with it the code optimized for it. */
  static readonly kept = new PendingCall<unknown>();
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(value: T): void {
    this.#resolve(value);
  }

  reject(error: unknown): void {
    this.#reject(error);
  }
}

/** The calls of one kind that wait for the end of the tick. */
class TickBatch<T> {
  readonly #max: number;
  readonly #groupKeys: GroupKeys;
  readonly #one: (key: string) => Promise<T>;
  readonly #many: (keys: readonly string[]) => Promise<T[]>;
  readonly #flush = (): void => this.flush();
  #waiting = new Map<string, PendingCall<T>>();

  constructor(max: number, groupKeys: GroupKeys, one: (key: string) => Promise<T>, many: (keys: readonly string[]) => Promise<T[]>) {
    this.#max = max;
    this.#groupKeys = groupKeys;
    this.#one = one;
    this.#many = many;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  add(key: string): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting) return waiting.promise;
    if (this.#waiting.size === 0) nextTick(this.#flush);
    const call = new PendingCall<T>();
    this.#waiting.set(key, call);
    return call.promise;
  }

  flushIfHolds(key: string): void {
    if (this.#waiting.has(key)) this.flush();
  }

  flush(): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const keys of this.#groupKeys([...waiting.keys()])) {
      for (let i = 0; i < keys.length; i += this.#max) {
        const part = keys.slice(i, i + this.#max);
        const calls = part.map((key) => waiting.get(key) as PendingCall<T>);
        this.#send(part, calls);
      }
    }
  }

  #send(keys: readonly string[], calls: readonly PendingCall<T>[]): void {
    const fail = (error: unknown): void => {
      const part = partOf(error);
      for (const [i, call] of calls.entries()) {
        const read = part?.get(keys[i] as string) ?? error;
        if (read instanceof Error) call.reject(read);
        else call.resolve(read as T);
      }
    };
    const [key] = keys;
    if (keys.length === 1) this.#one(key as string).then((value) => calls[0]?.resolve(value), fail);
    else
      this.#many(keys).then((values) => {
        // Without an iterator: it is most of what a read in a batch costs.
        for (let i = 0; i < calls.length; i++) calls[i]?.resolve(values[i] as T);
      }, fail);
  }
}
