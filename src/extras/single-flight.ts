import { performance } from '../connection/real-time.js';
import type { Milliseconds } from '../ttl.js';
import type { FunctionCall } from './load-cycles.js';

/** A run of the work, as the work itself sees it. */
export interface Flight {
  /** A deletion or a write of this process came after it began: what it brings is older. */
  readonly overtaken: boolean;
  /** Set by the work once it no longer waits for others, but does what may never end. */
  making?: boolean;
  /** The caller's key, set with `making`. */
  key?: string;
  /** Functions that wait for it. */
  waiters?: FunctionCall[];
}

interface Running extends Flight {
  overtaken: boolean;
  /** Whether who asks now shares its outcome. */
  open: boolean;
  readonly owner: object;
  readonly began: Milliseconds;
  outcome: Promise<unknown>;
}

/**
 * One run of the work per owner and key at a time: who asks meanwhile shares its outcome, a rejection included. Nothing is kept
 * afterwards.
 */
export class SingleFlight {
  readonly #flights = new Map<string, Set<Running>>();

  /**
   * @param patience a run that has not ended after so long is shared no more, for it may never end
   * @returns the outcome, and whether somebody else's run gives it
   */
  run<T>(
    owner: object,
    key: string,
    work: (flight: Flight) => Promise<T>,
    patience: Milliseconds = Number.POSITIVE_INFINITY,
  ): { readonly outcome: Promise<T>; readonly joined: boolean; readonly flight: Flight } {
    const flights = this.#flights.get(key) ?? new Set<Running>();
    for (const each of flights) {
      if (each.owner === owner && each.open && performance.now() - each.began < patience)
        return { outcome: each.outcome as Promise<T>, joined: true, flight: each };
    }
    const flight = { owner, open: true, overtaken: false, began: performance.now() } as Running;
    flights.add(flight);
    this.#flights.set(key, flights);
    const outcome = work(flight).finally(() => {
      flights.delete(flight);
      if (flights.size === 0 && this.#flights.get(key) === flights) this.#flights.delete(key);
    });
    flight.outcome = outcome;
    return { outcome, joined: false, flight };
  }

  /** The runs of the key that are under way, of every owner. */
  underWay(key: string): Iterable<Flight> {
    return this.#flights.get(key) ?? [];
  }

  /** What is under way for the key goes on for those who wait for it; who asks from now on does not share it, and it is overtaken. */
  forget(key: string): void {
    if (this.#flights.size === 0) return;
    for (const flight of this.#flights.get(key) ?? []) flight.overtaken = true;
    this.#flights.delete(key);
  }

  /** The same for every key that passes the test. */
  forgetThose(test: (key: string) => boolean): void {
    for (const key of this.#flights.keys()) if (test(key)) this.forget(key);
  }

  /** The same for every key. */
  forgetAll(): void {
    for (const key of this.#flights.keys()) this.forget(key);
  }

  /** Who asks from now on shares nothing that is under way; it is not overtaken. */
  close(): void {
    for (const flights of this.#flights.values()) for (const flight of flights) flight.open = false;
  }

  /** The same for runs of the key that may never end. Those that wait for another process go on being shared: each of them asks Redis again and again. */
  closeMaking(key: string): void {
    for (const flight of this.#flights.get(key) ?? []) if (flight.making) flight.open = false;
  }
}
