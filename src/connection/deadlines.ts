import { TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { clearInterval, now, setImmediate, setInterval } from './real-time.js';

/** How far past its deadline a call may settle: one timer looks after all calls, this often. */
export const tick: Milliseconds = 50;

/** A call under way: a link of the chain. Without `reject` it has ended. */
export interface Call {
  readonly deadline: number;
  reject: ((error: Error) => void) | undefined;
  /** Whatever its caller wants to find again. */
  readonly mark: number;
  previous: Call;
  next: Call;
}

/** How many calls are under way, of all deadlines together. */
export class Tally {
  count = 0;
  #onDrained: (() => void) | undefined;

  ended(): void {
    if (--this.count === 0) this.#onDrained?.();
  }

  /** Resolves when no call is under way. */
  async drained(): Promise<void> {
    if (this.count === 0) return;
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
  }
}

/**
 * The calls under way, oldest first. All deadlines are equally far away, so they end in the order they began: one coarse
 * timer, which runs while there is any call, looks at the oldest only. A call that ends leaves the chain at once, so that
 * nothing is kept for the garbage collector to carry along.
 */
export class Deadlines {
  readonly timeout: Milliseconds;
  readonly #tally: Tally;
  readonly #onExpired: (call: Call, error: TimeoutError) => void;
  readonly #ends: Call;
  #timer: NodeJS.Timeout | undefined;
  #lastSweep = 0;

  constructor(timeout: Milliseconds, tally: Tally, onExpired: (call: Call, error: TimeoutError) => void = () => {}) {
    this.timeout = timeout;
    this.#tally = tally;
    this.#onExpired = onExpired;
    const ends = { deadline: 0, reject: undefined } as unknown as Call;
    ends.previous = ends;
    ends.next = ends;
    this.#ends = ends;
  }

  begin(reject: (error: Error) => void, mark = 0): Call {
    const begun = now();
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#sweep(), tick);
      this.#lastSweep = begun;
    }
    const ends = this.#ends;
    const call: Call = { deadline: begun + this.timeout, reject, mark, previous: ends.previous, next: ends };
    ends.previous.next = call;
    ends.previous = call;
    this.#tally.count++;
    return call;
  }

  /** @returns whether it was still under way */
  end(call: Call): boolean {
    if (call.reject === undefined) return false;
    call.reject = undefined;
    call.previous.next = call.next;
    call.next.previous = call.previous;
    this.#tally.ended();
    return true;
  }

  get #empty(): boolean {
    return this.#ends.next === this.#ends;
  }

  #sweep(): void {
    const time = now();
    // The process was busy: answers may be waiting to be read, and timers come before them.
    const busy = time - this.#lastSweep > 3 * tick;
    this.#lastSweep = time;
    if (busy) {
      setImmediate(() => this.#sweep());
      return;
    }
    for (let call = this.#ends.next; call !== this.#ends && call.deadline <= time; call = this.#ends.next) {
      const { reject } = call;
      this.end(call);
      const error = new TimeoutError(this.timeout);
      this.#onExpired(call, error);
      reject?.(error);
    }
    if (!this.#empty) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
