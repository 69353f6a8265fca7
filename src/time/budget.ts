import { TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { performance, setImmediate } from './clock.js';
import { runningTime, withTimeout } from './deadlines.js';
import { RedisHealth } from './redis-health.js';
import { ending, type PauseOptions, pause } from './waiting.js';

/**
 * The time that one call has for all its commands together. Each command has its own deadline too.
 *
 * Waiting for a value that another process loads is free as long as Redis is healthy. The other process may be held up as this call is,
 * though, so waiting counts like everything else while Redis is suspect. Once waiting has used up the time, slow polls count, with the
 * pauses before them, until a poll is fast again.
 */
export class TimeBudget {
  readonly #time: Milliseconds;
  readonly #health: RedisHealth;
  #left: Milliseconds;
  #waited = 0;
  /** The pauses since the last poll. */
  #paused = 0;
  /** Time is accounted for up to here. Of all times here, time in which the process did not run is no part. */
  #accountedTo: Milliseconds;
  #isFirst = true;
  /** Time used by polls that were slow one after the other, with the pauses before them. */
  #slowPolls = 0;

  /** `began`: when the call began, by `runningTime`, if it has sent a command already. `failedAt`: when Redis last failed this process. */
  constructor(time: Milliseconds, began?: Milliseconds, failedAt: () => Milliseconds = () => Number.NEGATIVE_INFINITY) {
    const now = runningTime();
    const elapsed = now - (began ?? now);
    this.#accountedTo = now;
    this.#time = time;
    this.#left = time - elapsed;
    this.#health = new RedisHealth(time, performance.now() - elapsed, failedAt);
    if (began === undefined) return;
    this.#isFirst = false;
    if (elapsed > this.#health.slowAfter) this.#health.record(1);
  }

  /** Settles as the work does, but rejects with a TimeoutError when the rest of the budget is used up. */
  run<T>(work: Promise<T>): Promise<T> {
    return this.#run(work);
  }

  /** Like `run`, for a single command, whose time shows how fast Redis answers. */
  measure<T>(command: Promise<T>): Promise<T> {
    // A hit needs no more than the first command, which is not worth a timer.
    return this.#isFirst ? this.#run(command) : this.#run(command, this.#health.time());
  }

  /** `stop`: gives the slowness of a command that is measured. */
  #run<T>(work: Promise<T>, stop?: () => number): Promise<T> {
    const began = runningTime();
    const account = (): void => {
      this.#accountedTo = runningTime();
      const took = this.#accountedTo - began;
      this.#left -= took;
      // The first command may have waited for the connection.
      if (this.#isFirst && took > this.#health.slowAfter) this.#health.record(1);
      this.#isFirst = false;
      if (stop) this.#health.record(stop());
    };
    return this.#bound(work, this.#rest, account);
  }

  /** Like `measure`, for a look at a value that another process loads: it counts as waiting. */
  poll<T>(look: Promise<T>): Promise<T> {
    const began = runningTime();
    const inTime = this.#restWithWaiting > 0;
    const stop = this.#health.time();
    // Waiting may use the whole time; once that is used up, each poll gets a quarter of it.
    const bound = Math.min(this.#rest, Math.max(this.#restWithWaiting, this.#time / 4));
    return this.#bound(look, this.#health.suspect ? this.#rest : bound, () => {
      this.#countWaiting();
      const slowness = stop();
      if (inTime) this.#health.record(slowness);
      else this.#slowPolls = slowness > 0 ? this.#slowPolls + Math.min(this.#paused, this.#time / 2) + this.#accountedTo - began : 0;
      this.#paused = 0;
    });
  }

  /** Pauses between two polls. Rejects with a TimeoutError as soon as no time is left. */
  async pause(time: Milliseconds, options: PauseOptions): Promise<void> {
    const began = runningTime();
    const end = performance.now() + time;
    for (let left = time; left > 0 && !options.signal?.aborted && !options.caller?.aborted; left = end - performance.now()) {
      // Wakes up when the time is used up, and now and then after that: Redis may have become suspect.
      await pause(Math.min(left, this.#restWithWaiting > 0 ? this.#restWithWaiting : this.#time / 4), options);
      this.#countWaiting();
      this.#paused = this.#accountedTo - began;
      // If this process did not run, a reply may be waiting that clears Redis of suspicion.
      if (this.#rest <= 0) await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#rest <= 0) throw new TimeoutError(this.#time, 'no value from the process that loads it');
    }
  }

  /** Waits for work that does not reject, as long as time is left. `onTimeout` is called if it has not settled then. */
  settle(work: Promise<unknown>, onTimeout: () => void): Promise<unknown> {
    return this.run(work).catch(onTimeout);
  }

  /** The time left for commands. */
  get #rest(): Milliseconds {
    return this.#health.suspect ? this.#restWithWaiting : this.#left - this.#slowPolls;
  }

  /** The time left if waiting counts. */
  get #restWithWaiting(): Milliseconds {
    return this.#left - this.#waited;
  }

  /** Counts the time since the last accounting as waiting. */
  #countWaiting(): void {
    const now = runningTime();
    this.#waited += now - this.#accountedTo;
    this.#accountedTo = now;
  }

  /** `settling`: called first, once the work has settled or the time is over. */
  #bound<T>(work: Promise<T>, time: Milliseconds, settling: () => void): Promise<T> {
    if (time !== this.#time) return withTimeout(work, time, this.#time, undefined, settling);
    // The first command has its own deadline, and so has every command of a call without a common one.
    return ending(work, settling);
  }
}
