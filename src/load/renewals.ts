import { clearInterval, setInterval } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** How many times over a lease is renewed. A load that runs longer loses it. */
export const maxTerms = 10;
/** The timer runs so often in the term of a lease. */
const ticksPerTerm = 6;
/** A lease is renewed with its third tick, which comes in the second third of its term, and then with every other one. */
const firstTick = 3;

/** A lease that is held. */
export interface Renewable {
  renew(): void;
}

/**
 * Renews the leases of one length, all by one timer, which ends when it finds none. It keeps no process alive. The first renewal comes when
 * a third of the term is over, and before half of it is: a short load needs none, and there is time for another one if it fails.
 */
export class Renewals {
  static readonly #byTime = new Map<Milliseconds, Renewals>();
  readonly #time: Milliseconds;
  /** How often the timer has run since each began. */
  readonly #held = new Map<Renewable, number>();
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
    this.#held.set(lease, 0);
  }

  end(lease: Renewable): void {
    this.#held.delete(lease);
  }

  #tick(): void {
    if (this.#held.size === 0) {
      clearInterval(this.#timer);
      Renewals.#byTime.delete(this.#time);
    }
    for (const [lease, before] of this.#held) {
      const ticks = before + 1;
      if (ticks > ticksPerTerm * maxTerms) this.#held.delete(lease);
      else {
        this.#held.set(lease, ticks);
        if (ticks >= firstTick && (ticks - firstTick) % 2 === 0) lease.renew();
      }
    }
  }
}
