import { clearInterval, setInterval } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** How many times over a lease is renewed. A load that runs longer loses it. */
export const maxTerms = 10;
/** The timer runs this often in the time of a lease. */
const renewals = 3;

/** A lease that is held. */
export interface Renewable {
  renew(): void;
}

/** Renews the leases of one length, all by one timer, which ends when it finds none. It keeps no process alive. */
export class Renewals {
  static readonly #byTime = new Map<Milliseconds, Renewals>();
  readonly #time: Milliseconds;
  /** How often each was renewed; -1 until the timer has run once: a lease is not renewed in the first third of its time. */
  readonly #held = new Map<Renewable, number>();
  readonly #timer: NodeJS.Timeout;

  private constructor(time: Milliseconds) {
    this.#time = time;
    this.#timer = setInterval(() => this.#renew(), time / renewals).unref();
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
    this.#held.set(lease, -1);
  }

  end(lease: Renewable): void {
    this.#held.delete(lease);
  }

  #renew(): void {
    if (this.#held.size === 0) {
      clearInterval(this.#timer);
      Renewals.#byTime.delete(this.#time);
    }
    for (const [lease, count] of this.#held) {
      if (count >= renewals * maxTerms) this.#held.delete(lease);
      else {
        this.#held.set(lease, count + 1);
        if (count >= 0) lease.renew();
      }
    }
  }
}
