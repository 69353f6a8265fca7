import { performance } from 'node:perf_hooks';
import { answeredWithin } from '../connection/in-one-time.js';
import type { Milliseconds } from '../ttl.js';

/**
 * The time that one call has for all it asks of Redis. Each command has its own deadline; where one comes after another, this sees to it
 * that they have one together.
 */
export class Allowance {
  readonly #whole: Milliseconds;
  readonly #begun: Milliseconds;
  #left: Milliseconds;

  /** `begun`: when the call did, where it has asked for something already. */
  constructor(time: Milliseconds, begun?: Milliseconds) {
    const now = performance.now();
    this.#whole = time;
    this.#begun = begun ?? now;
    this.#left = time - (now - this.#begun);
  }

  /** The answer, if it comes in what is left; else rejects with a TimeoutError, and the answer is nobody's. */
  async within<T>(work: Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await this.#bounded(work, this.#left);
    } finally {
      this.#left -= performance.now() - begun;
    }
  }

  /**
   * The same for a look at what somebody else is making. What is asked again and again while the other works takes nothing from
   * the rest, as long as it is answered as usual. But the other need not have worked at all, it may be held up as this call is: so an
   * answer that hangs is waited for until the whole has passed, and where it has, or nearly so, for a quarter of it.
   */
  async aside<T>(work: Promise<T>): Promise<T> {
    const begun = performance.now();
    const rest = this.#whole - (begun - this.#begun);
    const bound = Math.min(this.#left, Math.max(rest, this.#whole / 4));
    try {
      return await this.#bounded(work, bound);
    } finally {
      this.#left -= Math.max(0, performance.now() - begun - this.#whole / 20);
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

  async #bounded<T>(work: Promise<T>, bound: Milliseconds): Promise<T> {
    // The first command has its own deadline, and so has each where there is no common one.
    return bound === this.#whole ? work : answeredWithin(work, bound, this.#whole);
  }
}
