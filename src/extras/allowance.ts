import { setImmediate } from 'node:timers/promises';
import { after, answeredWithin } from '../connection/in-one-time.js';
import { performance } from '../connection/real-time.js';
import { TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { type PauseOptions, pause } from './pause.js';

/**
 * For how long a failure of Redis casts doubt on what another process holds: one that was cut off by the same failure has usually found back by then, and given
 * back what it held.
 */
const doubtful: Milliseconds = 3000;

/** For those who were never failed. */
const never = (): Milliseconds => Number.NEGATIVE_INFINITY;

/**
 * The time that one call has for all it asks of Redis. Each command has its own deadline; where one comes after another, this sees to it
 * that they have one together.
 *
 * Waiting for what somebody else is making takes nothing from it as long as Redis answers as usual. But the other need not be working at all, it
 * may be held up as this call is. So waiting counts like everything else where Redis is in doubt: it failed this process lately, or it answered this call slowly, twice or once very much so, before the
 * time was up. Later on, slow looks count, with the pauses before them, until one is not.
 */
export class Allowance {
  readonly #whole: Milliseconds;
  readonly #begun: Milliseconds;
  readonly #failedAt: () => Milliseconds;
  #left: Milliseconds;
  #waited = 0;
  /** Since the last look. */
  #paused = 0;
  /** Up to when the time is accounted for. */
  #mark: Milliseconds;
  #first = true;
  #slowness = 0;
  /** What looks took that were slow one after the other, with the pauses before them. */
  #debt = 0;

  /** `begun`: when the call did, where it has asked for something already. `failedAt`: when Redis last failed this process. */
  constructor(time: Milliseconds, begun?: Milliseconds, failedAt = never) {
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
      return await this.#bounded(work, this.#rest);
    } finally {
      this.#mark = performance.now();
      const took = this.#mark - begun;
      this.#left -= took;
      // It may have waited for the connection.
      if (this.#first && took > this.#long) this.#slowness = 1;
      this.#first = false;
    }
  }

  /** The same for a single command, which shows how fast Redis answers. */
  sample<T>(command: Promise<T>): Promise<T> {
    // The first is all there is to a hit.
    return this.#first ? this.within(command) : this.#sampled(command);
  }

  async #sampled<T>(command: Promise<T>): Promise<T> {
    const slowness = this.#timed();
    try {
      return await this.within(command);
    } finally {
      this.#slowness += slowness();
    }
  }

  /** The same for a look at what somebody else is making, which is part of waiting for it. */
  async aside<T>(look: Promise<T>): Promise<T> {
    const begun = performance.now();
    const early = this.#early > 0;
    const slowness = this.#timed();
    try {
      // One that hangs is waited for until the time is up; a quarter of it, where it is or nearly is.
      return await this.#bounded(look, this.#inDoubt ? this.#rest : Math.min(this.#rest, Math.max(this.#early, this.#whole / 4)));
    } finally {
      this.#account();
      const slow = slowness();
      if (early) this.#slowness += slow;
      else this.#debt = slow > 0 ? this.#debt + Math.min(this.#paused, this.#whole / 2) + this.#mark - begun : 0;
      this.#paused = 0;
    }
  }

  /** Pauses between two such looks. Rejects with a TimeoutError as soon as there is no time left. */
  async pause(time: Milliseconds, options: PauseOptions): Promise<void> {
    const begun = performance.now();
    const end = begun + time;
    for (let left = time; left > 0 && !options.signal?.aborted && !options.caller?.aborted; left = end - performance.now()) {
      // When the time is up, and now and then after that: Redis may have come to be in doubt.
      await pause(Math.min(left, this.#early > 0 ? this.#early : this.#whole / 4), options);
      this.#account();
      this.#paused = this.#mark - begun;
      // Where this process did not run, an answer may be there that speaks for Redis.
      if (this.#rest <= 0) await setImmediate();
      if (this.#rest <= 0) throw new TimeoutError(this.#whole, 'no value from whoever makes it');
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
    return this.#slowness > 1 || this.#failedAt() > this.#begun - doubtful;
  }

  /** What is left for commands. */
  get #rest(): Milliseconds {
    return this.#inDoubt ? this.#early : this.#left - this.#debt;
  }

  /** What would be left if waiting had counted. */
  get #early(): Milliseconds {
    return this.#left - this.#waited;
  }

  get #long(): Milliseconds {
    return Math.max(50, this.#whole / 8);
  }

  /** What has passed since was spent waiting. */
  #account(): void {
    const now = performance.now();
    this.#waited += now - this.#mark;
    this.#mark = now;
  }

  /**
   * For a command that was just asked. @returns how slow it was, once it has ended: 1 for more than an eighth of the time, 2 for more than a quarter. That this process did not run is
   * no fault of Redis
   */
  #timed(): () => number {
    let slow = 0;
    const count = (): void => {
      slow++;
    };
    const ends = [this.#long, Math.max(2 * this.#long, this.#whole / 4)].map((time) => after(Math.min(time, 10_000), count));
    return () => {
      for (const end of ends) end();
      return slow;
    };
  }

  #bounded<T>(work: Promise<T>, bound: Milliseconds): Promise<T> {
    // The first command has its own deadline, and so has each where there is no common one.
    return bound === this.#whole ? work : answeredWithin(work, bound, this.#whole);
  }
}
