import { randomBytes } from 'node:crypto';
import type { Cache } from '../cache/cache.js';
import { callOptions, checkArgument } from '../checks.js';
import type { Held } from '../commands/release-queue.js';
import { AbortedError, LockError, UnsupportedError } from '../errors.js';
import { clearTimeout, performance, setTimeout } from '../time/clock.js';
import { backoff, pause, unawaitedIfOurs } from '../time/waiting.js';
import { checkTime, type Duration, type Milliseconds, milliseconds } from '../ttl.js';

/** Options of `lock` and `withLock`. */
export interface LockOptions {
  /** After how many milliseconds the lock of a process that died is free, ≥ 100. It is renewed three times in that time. Default 10 000. */
  readonly ttl?: Duration | undefined;
  /** How many milliseconds to wait for a lock that another caller holds, ≥ 0; `Infinity` without end. Default 0. */
  readonly wait?: Duration | undefined;
  /** Stops waiting: the call rejects with an AbortedError. A lock that is held stays held. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the lock renews itself. Default true. */
  readonly renew?: boolean | undefined;
}

/** The locks of a store: each is a key in Redis that holds a token until it expires. */
export class Locks {
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** @throws {LockError} if another caller holds it for longer than `wait` */
  lock(key: string, options?: LockOptions): Promise<Lock> {
    return this.#cache.policy.failLoud({ name: 'lock', key }, () => this.#acquire(key, options));
  }

  withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T> {
    return unawaitedIfOurs(this.#withLock(key, work, options));
  }

  async #withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T> {
    const lock = await this.lock(key, options);
    let result: T;
    try {
      result = await work(lock);
    } catch (error) {
      // The error of the work matters; an `error` event reports the other.
      await lock.release().catch(() => {});
      throw error;
    }
    await lock.release();
    return result;
  }

  async #acquire(key: string, options?: LockOptions): Promise<Lock> {
    // A lock is the same in all versions of the prefix.
    const space = this.#cache.context.keysOf?.(undefined);
    if (!space?.siblingKey) throw new UnsupportedError('locks have no place beside the keys of a `keyFunction` or a `keyPrefix` with `:`');
    const redisKey = space.toRedisKey(key);
    const [lockKey, fenceKey] = [space.siblingKey(redisKey, 'lock'), space.siblingKey(redisKey, 'fence')];
    const { ttl, wait, signal, renew } = parseLockOptions(options);
    const { commands, background, releases } = this.#cache.context;
    const token = randomBytes(16).toString('base64url');
    const deadline = performance.now() + wait;
    const held = { key: lockKey, token, time: ttl };
    for (const delay of backoff(20, 1.5, 500)) {
      if (signal?.aborted) throw new AbortedError(signal.reason);
      const asked = performance.now();
      const wasReachable = releases.isReachable();
      let fence: number | undefined;
      try {
        fence = await commands.acquire(lockKey, fenceKey, token, ttl);
      } catch (error) {
        if (wasReachable) background.add(releases.addLost(held, error));
        throw error;
      }
      if (signal?.aborted) {
        if (fence !== undefined) background.add(releases.add(held));
        throw new AbortedError(signal.reason);
      }
      if (fence !== undefined) return new Lock(this.#cache, key, held, { fence, asked, renew });
      const left = deadline - performance.now();
      if (left <= 0) break;
      await pause(Math.min(delay, left), { signal });
    }
    throw new LockError('held');
  }
}

/** The options, checked. @throws {ArgumentError} for an invalid one */
function parseLockOptions(options?: LockOptions) {
  const known = { ttl: true, wait: true, signal: true, renew: true } as const;
  const { signal, renew = true, ...times } = callOptions('lock', options, known);
  const [ttl, wait] = [milliseconds(times.ttl, 10_000), milliseconds(times.wait, 0)];
  checkTime('ttl', ttl, 100);
  checkArgument('wait', 'a number of milliseconds ≥ 0', wait, typeof wait === 'number' && wait >= 0);
  checkArgument('signal', 'an AbortSignal', signal, signal === undefined || signal instanceof AbortSignal);
  checkArgument('renew', 'a boolean', renew, typeof renew === 'boolean');
  return { ttl: Math.ceil(ttl), wait, signal, renew };
}

/** How a lock was acquired. `asked`: when, on the monotonic clock, before Redis answered. */
interface Acquired {
  readonly fence: number;
  readonly asked: Milliseconds;
  readonly renew: boolean;
}

/** A lock that is held: a lease on one Redis, which expires unless it is renewed in time. `await using` releases it. */
export class Lock {
  readonly key: string;
  /** Rises with every holder of this lock. Send it along with writes to another system, which refuses a lower one than it has seen. */
  readonly fence: number;
  readonly #cache: Cache;
  readonly #held: Held;
  readonly #lost = new AbortController();
  #until: Milliseconds;
  #timer: NodeJS.Timeout | undefined;
  #released: Promise<void> | undefined;

  /** @internal Use `store.lock`. */
  constructor(cache: Cache, key: string, held: Held, { fence, asked, renew }: Acquired) {
    this.key = key;
    this.fence = fence;
    this.#cache = cache;
    this.#held = held;
    this.#until = asked + held.time;
    this.#watch(renew);
  }

  /** Aborted with a LockError as soon as the process knows that the lock is lost: it was not renewed in time, or its key was deleted. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether it is held, as far as this process can know: by its own clock, since the last answer of Redis. */
  get held(): boolean {
    return this.#released === undefined && !this.#lost.signal.aborted && performance.now() < this.#until;
  }

  /** Holds it for another `ttl`. Redis: PEXPIRE in a script. @throws {LockError} if it is lost */
  renew(): Promise<void> {
    return this.#cache.policy.failLoud({ name: 'renew', key: this.key }, () => this.#renew());
  }

  /** Releases it; once, however often it is called. Redis: DEL in a script. Fails loud. @throws {LockError} if it was lost before */
  release(): Promise<void> {
    this.#released ??= this.#cache.policy.failLoud({ name: 'release', key: this.key }, async () => {
      clearTimeout(this.#timer);
      const { commands, background, releases } = this.#cache.context;
      if (this.#lost.signal.aborted) throw new LockError('lost');
      let ours: boolean;
      try {
        ours = await commands.release(this.#held.key, this.#held.token);
      } catch (error) {
        // The caller gets the error, and the release continues in the background.
        background.add(releases.add(this.#held));
        throw error;
      }
      if (!ours) throw this.#lose();
    });
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #renew(): Promise<void> {
    if (this.#lost.signal.aborted || this.#released) throw new LockError('lost');
    const asked = performance.now();
    const { key, token, time } = this.#held;
    if (!(await this.#cache.context.commands.renew(key, token, time))) throw this.#lose();
    this.#until = asked + time;
  }

  /** Renews three times in the time of the lock, and notices when that is over. Keeps no process alive. */
  #watch(renews: boolean): void {
    const left = this.#until - performance.now();
    if (left <= 0) {
      this.#lose();
      return;
    }
    this.#timer = setTimeout(
      async () => {
        // A Redis that does not answer is asked again, until the time is over.
        if (renews) await Promise.race([this.#renew(), pause(this.#held.time / 3, { idle: true })]).catch(() => {});
        if (!this.#released && !this.#lost.signal.aborted) this.#watch(renews);
      },
      Math.min(renews ? this.#held.time / 3 : left, left),
    ).unref();
  }

  #lose(): LockError {
    clearTimeout(this.#timer);
    const error = new LockError('lost');
    this.#lost.abort(error);
    return error;
  }
}
