import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { after } from '../time/deadlines.js';
import type { Milliseconds } from '../ttl.js';
import { maxAge } from './pacing.js';
import type { Session } from './session.js';

/** How long the steps of an attempt take before callers are told. */
export interface AttemptTimes {
  readonly connection: Milliseconds;
  readonly handshake: Milliseconds;
}

/** One attempt to connect. Time in which the process was busy does not count: what has arrived is read first. */
export class Attempt {
  readonly session: Session;
  readonly #times: AttemptTimes;
  readonly #onTimeout: (attempt: Attempt, error: Error) => void;
  readonly #start: EventLoopUtilization = performance.eventLoopUtilization();
  #cancel = (): void => {};

  constructor(session: Session, times: AttemptTimes, onTimeout: (attempt: Attempt, error: Error) => void) {
    this.session = session;
    this.#times = times;
    this.#onTimeout = onTimeout;
    this.step('connection');
  }

  /** How long it has taken so far, without the time in which the process was busy. */
  get took(): Milliseconds {
    return performance.eventLoopUtilization(this.#start).idle;
  }

  /** A step begins. If it takes too long that is told, and in the end the session is given up. 0 for ever. */
  step(what: keyof AttemptTimes): void {
    this.#cancel();
    const time = this.#times[what];
    if (time <= 0) return;
    const error = new Error(`no ${what} within ${time} ms`);
    this.#cancel = after(time, () => {
      this.#cancel = after(maxAge, () => this.session.end(error));
      this.#onTimeout(this, error);
    });
  }

  /** It is over, however it ended. */
  stop(): void {
    this.#cancel();
  }
}
