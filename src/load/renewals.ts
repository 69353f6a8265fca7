import { clearInterval, performance, setInterval } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** How many times over a lease is renewed. A load that runs longer loses it. */
export const maxTerms = 10;
/** A lease is renewed so often in its term. */
const renewalsPerTerm = 3;
/** The timer runs twice as often: it began before most of the leases. */
const ticksPerTerm = 2 * renewalsPerTerm;

/** A lease that is held. */
export interface Renewable {
  renew(): void;
}

/** Of a lease: when it was claimed or renewed last, on the monotonic clock, and how often it was renewed. */
interface Held {
  at: Milliseconds;
  count: number;
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
    this.#held.set(lease, { at: performance.now(), count: 0 });
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
    // A timer may be a little early.
    const due = now - this.#time / renewalsPerTerm + this.#time / 50;
    for (const [lease, held] of this.#held) {
      if (held.at > due) continue;
      held.at = now;
      if (held.count++ >= renewalsPerTerm * maxTerms) this.#held.delete(lease);
      else lease.renew();
    }
  }
}
