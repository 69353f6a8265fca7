import type { Milliseconds } from '../ttl.js';
import { tick } from './deadlines.js';

/**
 * Notices a connection that is written to and gives no sign of life: a frozen server, a half-open socket. Two counters for a
 * command; one coarse timer while any is under way.
 */
export class Silence {
  readonly #limit: Milliseconds;
  readonly #onSilent: () => void;
  #pending = 0;
  #heard = false;
  #since = 0;
  #lastTick = 0;
  /** Until when somebody waits who has more patience. */
  #patientUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: Milliseconds, onSilent: () => void) {
    this.#limit = limit;
    this.#onSilent = onSilent;
  }

  /** A command was sent, whose caller waits so long. */
  asked(timeout = 0): void {
    this.#pending++;
    if (timeout + 2 * tick > this.#limit) this.#patientUntil = Math.max(this.#patientUntil, performance.now() + timeout + 2 * tick);
    if (this.#timer === undefined) this.#start();
  }

  /** An answer came, or the command failed with its connection. */
  settled(): void {
    this.#pending--;
    this.#heard = true;
  }

  /** The connection is gone, and what was under way with it. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#since = this.#lastTick = performance.now();
    this.#heard = false;
    this.#timer = setInterval(() => this.#look(), tick);
  }

  #look(): void {
    if (this.#timer === undefined) return;
    const now = performance.now();
    // The process was busy: answers may be waiting to be read, and timers come before them.
    const busy = now - this.#lastTick > 3 * tick;
    this.#lastTick = now;
    if (busy) setImmediate(() => this.#look());
    else if (this.#pending === 0) this.stop();
    else if (this.#heard) {
      this.#heard = false;
      this.#since = now;
    } else if (now - this.#since >= this.#limit && now >= this.#patientUntil) {
      this.stop();
      this.#onSilent();
    }
  }
}
