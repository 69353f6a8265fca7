import { clearInterval, performance, setInterval } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** How many times over a lease is renewed. A load that runs longer loses it. */
export const maxTerms = 10;
/** The timer runs this often in the term of a lease. */
const ticksPerTerm = 3;

/** A lease that is held. */
export interface Renewable {
  renew(): void;
}

/** Of a lease: when it began, on the monotonic clock, and how often the timer has run since. */
interface Held {
  readonly began: Milliseconds;
  ticks: number;
}

/**
 * Renews the leases of one length, all by one timer, which ends when it finds none. It keeps no process alive. The first renewal comes before
 * half of the term is over, so that there is time for another one if it fails.
 */
export class Renewals {
  static readonly #byTime = new Map<Milliseconds, Renewals>();
  readonly #time: Milliseconds;
  readonly #held = new Map<Renewable, Held>();
  readonly #timer: NodeJS.Timeout;

  /** `start`: starts the timer. */
  constructor(time: Milliseconds, start: (tick: () => void, gap: Milliseconds) => NodeJS.Timeout = setInterval) {
    this.#time = time;
    this.#timer = start(() => this.#tick(), time / ticksPerTerm).unref();
  }

  /** The renewals of leases that last so long. */
  static of(time: Milliseconds): Renewals {
    const existing = Renewals.#byTime.get(time);
    if (existing) return existing;
    const created = new Renewals(time);
    Renewals.#byTime.set(time, created);
    return created;
  }

  begin(lease: Renewable): void {
    this.#held.set(lease, { began: performance.now(), ticks: 0 });
  }

  end(lease: Renewable): void {
    this.#held.delete(lease);
  }

  #tick(): void {
    if (this.#held.size === 0) {
      clearInterval(this.#timer);
      Renewals.#byTime.delete(this.#time);
    }
    const now = performance.now();
    for (const [lease, held] of this.#held) {
      // A load that is short needs no renewal, and the next tick is soon enough.
      if (now - held.began < this.#time / (2 * ticksPerTerm)) continue;
      if (held.ticks++ >= ticksPerTerm * maxTerms) this.#held.delete(lease);
      else lease.renew();
    }
  }
}
