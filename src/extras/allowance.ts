import { performance } from 'node:perf_hooks';
import { answeredWithin } from '../connection/in-one-time.js';
import { TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { pause } from './pause.js';

/**
 * For how long a failure of Redis casts doubt on what another process holds: one that was cut off by the same failure has found back by then, and given
 * back what it held.
 */
const doubtful: Milliseconds = 3000;

/**
 * The time that one call has for all it asks of Redis. Each command has its own deadline; where one comes after another, this sees to it
 * that they have one together.
 *
 * Waiting for what somebody else is making takes nothing from it as long as Redis answers as usual. But the other need not be
 * working at all, it may be held up as this call is. So what still hangs after that is waited for a quarter of the whole at the most; and where Redis is in
 * doubt, because it failed this process lately or an answer took long, waiting counts like everything else.
 */
export class Allowance {
  readonly #whole: Milliseconds;
  readonly #begun: Milliseconds;
  readonly #failedAt: () => Milliseconds;
  #left: Milliseconds;
  #waited = 0;
  /** Up to when the time is accounted for. */
  #mark: Milliseconds;
  #slow = false;

  /** `begun`: when the call did, where it has asked for something already. `failedAt`: when Redis last failed this process. */
  constructor(time: Milliseconds, begun?: Milliseconds, failedAt: () => Milliseconds = () => Number.NEGATIVE_INFINITY) {
    this.#mark = performance.now();
    this.#whole = time;
    this.#begun = begun ?? this.#mark;
    this.#failedAt = failedAt;
    this.#left = time - (this.#mark - this.#begun);
  }

  /** The answer, if it comes in what is left; else rejects with a TimeoutError, and the answer is nobody's. */
  async within<T>(work: Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await this.#bounded(work);
    } finally {
      const now = performance.now();
      // What comes first may have waited for the connection.
      if (this.#left < this.#whole) this.#judge(now - begun);
      this.#left -= now - begun;
      this.#mark = now;
    }
  }

  /** The same for a look at what somebody else is making, which is part of waiting for it. */
  async aside<T>(work: Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await this.#bounded(work);
    } finally {
      this.#account();
      this.#judge(this.#mark - begun);
    }
  }

  /** Pauses between two such looks. Rejects with a TimeoutError as soon as the time is up in which Redis, being in doubt, is waited for. */
  async pause(time: Milliseconds, options: Parameters<typeof pause>[1]): Promise<void> {
    const end = performance.now() + time;
    for (let left = time; left > 0 && !options?.signal?.aborted; left = end - performance.now()) {
      const rest = this.#left - this.#waited;
      // Later on it is only Redis that may come to be in doubt.
      await pause(Math.min(left, rest > 0 ? rest : this.#whole), options);
      this.#account();
      if (this.#inDoubt && this.#rest <= 0) throw new TimeoutError(this.#whole);
    }
  }

  /** Waits for the work, which does not reject, as long as there is time. @returns whether it has ended */
  async covers(work: Promise<unknown>): Promise<boolean> {
    try {
      await this.within(work);
      return true;
    } catch {
      return false;
    }
  }

  get #inDoubt(): boolean {
    return this.#slow || this.#failedAt() > this.#begun - doubtful;
  }

  get #rest(): Milliseconds {
    const rest = this.#left - this.#waited;
    return this.#inDoubt ? rest : Math.min(this.#left, Math.max(rest, this.#whole / 4));
  }

  #judge(took: Milliseconds): void {
    if (took > this.#whole / 8) this.#slow = true;
  }

  /** What has passed since was spent waiting. */
  #account(): void {
    const now = performance.now();
    this.#waited += now - this.#mark;
    this.#mark = now;
  }

  async #bounded<T>(work: Promise<T>): Promise<T> {
    const bound = this.#rest;
    // The first command has its own deadline, and so has each where there is no common one.
    return bound === this.#whole ? work : answeredWithin(work, bound, this.#whole);
  }
}
