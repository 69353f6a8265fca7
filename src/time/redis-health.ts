import type { Milliseconds } from '../ttl.js';
import { after } from './deadlines.js';

/** How long after a Redis failure other processes' leases are distrusted. By then those cut off too have usually reconnected. */
const distrustTime: Milliseconds = 3000;

/** How well Redis serves one call: whether it failed this process lately, and how slowly it answers. */
export class RedisHealth {
  /** A command that takes longer is slow. */
  readonly slowAfter: Milliseconds;
  readonly #verySlowAfter: Milliseconds;
  readonly #distrustedFrom: Milliseconds;
  readonly #failedAt: () => Milliseconds;
  #slowness = 0;

  /** `timeout`: that of the call. `began`: when it began. `failedAt`: when Redis last failed this process. */
  constructor(timeout: Milliseconds, began: Milliseconds, failedAt: () => Milliseconds) {
    this.slowAfter = Math.max(50, timeout / 8);
    this.#verySlowAfter = Math.max(2 * this.slowAfter, timeout / 4);
    this.#distrustedFrom = began - distrustTime;
    this.#failedAt = failedAt;
  }

  /** Whether Redis failed lately, or answered this call slowly twice, or very slowly once. */
  get suspect(): boolean {
    return this.#slowness > 1 || this.#failedAt() > this.#distrustedFrom;
  }

  /** Counts the slowness of a command: 0, 1 for slow, 2 for very slow. */
  record(slowness: number): void {
    this.#slowness += slowness;
  }

  /** Times a command, without time in which this process did not run. @returns a function that stops and returns the slowness */
  time(): () => number {
    let slowness = 0;
    const [slow, verySlow] = [Math.min(this.slowAfter, 10_000), Math.min(this.#verySlowAfter, 10_000)];
    let stop = after(slow, () => {
      slowness = 1;
      stop = after(verySlow - slow, () => {
        slowness = 2;
      });
    });
    return () => {
      stop();
      return slowness;
    };
  }
}
