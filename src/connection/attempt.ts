import { performance } from '../time/clock.js';
import { after } from '../time/deadlines.js';
import type { Milliseconds } from '../ttl.js';
import type { Link } from './link.js';
import { maxAge } from './patience.js';

/** How long the steps of an attempt take before callers are told. */
export interface AttemptTimes {
  readonly connection: Milliseconds;
  readonly handshake: Milliseconds;
}

/** One attempt to connect. Time in which the process was busy does not count: what has arrived is read first. */
export class Attempt {
  readonly link: Link;
  readonly #times: AttemptTimes;
  readonly #onLate: (attempt: Attempt, error: Error) => void;
  readonly #start = performance.now();
  #cancel = (): void => {};

  constructor(link: Link, times: AttemptTimes, onLate: (attempt: Attempt, error: Error) => void) {
    this.link = link;
    this.#times = times;
    this.#onLate = onLate;
    this.step('connection');
  }

  get took(): Milliseconds {
    return performance.now() - this.#start;
  }

  /** A step begins. If it takes too long that is told, and in the end the link is given up. 0 for ever. */
  step(what: keyof AttemptTimes): void {
    this.#cancel();
    const time = this.#times[what];
    if (time <= 0) return;
    const error = new Error(`no ${what} within ${time} ms`);
    this.#cancel = after(time, () => {
      this.#cancel = after(maxAge, () => this.link.end(error));
      this.#onLate(this, error);
    });
  }

  /** It is over, however it ended. */
  stop(): void {
    this.#cancel();
  }
}
