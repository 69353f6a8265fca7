import { randomBytes } from 'node:crypto';
import { callOptions } from '../call-options.js';
import type { Commands } from '../commands/commands.js';
import { clearTimeout, performance, setTimeout } from '../connection/real-time.js';
import { AbortedError, ArgumentError, expected, LockError } from '../errors.js';
import { type Milliseconds, maxTimerDelay } from '../ttl.js';
import type { Background } from './background.js';
import { backoff, pause } from './pause.js';
import type { Returns } from './returns.js';

export interface LockOptions {
  /** After how many milliseconds the lock of a holder that died is free, ≥ 100. It is renewed three times in that time. Default 10 000. */
  readonly ttl?: Milliseconds | undefined;
  /** How many milliseconds to wait for a lock that somebody else holds, ≥ 0; `Infinity` for ever. Default 0. */
  readonly wait?: Milliseconds | undefined;
  /** Gives up waiting: the call rejects with an AbortedError. A lock that is held stays held. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the lock is renewed by itself. Default true. */
  readonly renew?: boolean | undefined;
}

/** Where a lock is kept, and how its failures are told of. */
export interface LockParts {
  readonly commands: Pick<Commands, 'acquire' | 'renew' | 'release'>;
  readonly background: Background;
  readonly returns: Returns;
  readonly key: string;
  /** Keys in Redis: of the lock, and of the counter of fencing tokens. */
  readonly lock: string;
  readonly fence: string;
  readonly loud: <T>(name: string, work: () => Promise<T>) => Promise<T>;
}

/** @throws {LockError} where somebody else holds it for longer than `wait` */
export async function acquireLock(parts: LockParts, options?: LockOptions): Promise<Lock> {
  const {
    ttl = 10_000,
    wait = 0,
    signal,
    renew = true,
  } = callOptions('lock', options, { ttl: true, wait: true, signal: true, renew: true });
  if (!(typeof ttl === 'number' && ttl >= 100 && ttl <= maxTimerDelay)) {
    throw new ArgumentError(expected('ttl', `a number of milliseconds ≥ 100 and ≤ ${maxTimerDelay}`, ttl));
  }
  if (!(typeof wait === 'number' && wait >= 0)) throw new ArgumentError(expected('wait', 'a number of milliseconds ≥ 0', wait));
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new ArgumentError(expected('signal', 'an AbortSignal', signal));
  if (typeof renew !== 'boolean') throw new ArgumentError(expected('renew', 'a boolean', renew));
  const { commands, lock, fence: counter, background, returns } = parts;
  const token = randomBytes(16).toString('base64url');
  const deadline = performance.now() + wait;
  const held = { key: lock, token, time: Math.ceil(ttl) };
  for (const delay of backoff(20, 1.5, 500)) {
    if (signal?.aborted) throw new AbortedError(signal.reason);
    const asked = performance.now();
    const sent = returns.reachable();
    let fence: number | undefined;
    try {
      fence = await commands.acquire(lock, counter, token, Math.ceil(ttl));
    } catch (error) {
      if (sent) background.add(returns.addLost(held, error));
      throw error;
    }
    if (signal?.aborted) {
      if (fence !== undefined) background.add(returns.add(held));
      throw new AbortedError(signal.reason);
    }
    if (fence !== undefined) return new Lock(parts, token, fence, Math.ceil(ttl), asked, renew);
    const left = deadline - performance.now();
    if (left <= 0) break;
    await pause(Math.min(delay, left), { signal });
  }
  throw new LockError('held');
}

/** A lock that is held: a lease on one Redis, which ends when it is not renewed in time. `await using` releases it. */
export class Lock {
  readonly key: string;
  /** Rises with every holder of this lock: whoever writes elsewhere under the lock sends it along, and what is behind refuses a lower one. */
  readonly fence: number;
  readonly #parts: LockParts;
  readonly #token: string;
  readonly #ttl: Milliseconds;
  readonly #lost = new AbortController();
  #until: number;
  #timer: NodeJS.Timeout | undefined;
  #released: Promise<void> | undefined;

  /** @internal Use `store.lock`. */
  constructor(parts: LockParts, token: string, fence: number, ttl: Milliseconds, asked: number, renewed: boolean) {
    this.key = parts.key;
    this.fence = fence;
    this.#parts = parts;
    this.#token = token;
    this.#ttl = ttl;
    this.#until = asked + ttl;
    this.#watch(renewed);
  }

  /** Aborted, with a LockError, as soon as it is known that the lock is lost: it was not renewed in time, or somebody deleted it. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether it is held, as far as this process can know: by its own clock, since Redis last said so. */
  get held(): boolean {
    return this.#released === undefined && !this.#lost.signal.aborted && performance.now() < this.#until;
  }

  /** Holds it for another `ttl`. Redis: PEXPIRE in a script. @throws {LockError} where it is lost */
  renew(): Promise<void> {
    return this.#parts.loud('renew', () => this.#renew());
  }

  /** Gives it back; once, however often it is called. Redis: DEL in a script. Fails loud. @throws {LockError} where it was lost before */
  release(): Promise<void> {
    this.#released ??= this.#parts.loud('release', async () => {
      clearTimeout(this.#timer);
      const { commands, lock, background, returns } = this.#parts;
      if (this.#lost.signal.aborted) throw new LockError('lost');
      let ours: boolean;
      try {
        ours = await commands.release(lock, this.#token);
      } catch (error) {
        // Its caller is told, and can do no more about it.
        background.add(returns.add({ key: lock, token: this.#token, time: this.#ttl }));
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
    const { commands, lock } = this.#parts;
    if (!(await commands.renew(lock, this.#token, this.#ttl))) throw this.#lose();
    this.#until = asked + this.#ttl;
  }

  /** Renews three times in its time, and sees when that time is over. Keeps no process alive. */
  #watch(renewed: boolean): void {
    const left = this.#until - performance.now();
    if (left <= 0) {
      this.#lose();
      return;
    }
    this.#timer = setTimeout(
      async () => {
        // A Redis that does not answer is asked again, until the time is over.
        if (renewed) await Promise.race([this.#renew(), pause(this.#ttl / 3, { idle: true })]).catch(() => {});
        if (!this.#released && !this.#lost.signal.aborted) this.#watch(renewed);
      },
      Math.min(renewed ? this.#ttl / 3 : left, left),
    ).unref();
  }

  #lose(): LockError {
    clearTimeout(this.#timer);
    const error = new LockError('lost');
    this.#lost.abort(error);
    return error;
  }
}
