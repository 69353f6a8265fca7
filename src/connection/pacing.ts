import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';

/** How long an attempt to connect lives at most. What a server that is busy with a fleet is about to answer is not given up. */
export const maxAge: Milliseconds = 15_000;

/** An attempt that hangs for longer may give way to a newer one: its route may swallow everything, and another may work. */
export const minAge: Milliseconds = 8000;

/** How many attempts there are side by side at most. */
export const maxAttempts = 5;

/** Minimum time between two replacements of a connection whose server is a replica: the store may be meant to read from one. */
export const replacementInterval: Milliseconds = 5000;

/** A connection that was up for longer than this is opened again at once: it was lost by itself, as when a load balancer closes it. */
export const steadyTime: Milliseconds = 1000;

/** How many retries count once one has succeeded. What is lost again and again is opened about ten times a second then, not forty times. */
const maxOnceUp = 2;

/** Counts the retries of something that is lost and opened again. Only what was steady begins at 0 after a loss. */
export class Retries {
  #count = 0;
  #upAt = Number.POSITIVE_INFINITY;
  readonly #now: () => Milliseconds;

  constructor(now = (): Milliseconds => performance.now()) {
    this.#now = now;
  }

  /** The number of the next retry, counted from 0. */
  next(): number {
    return this.#count++;
  }

  up(): void {
    this.#upAt = this.#now();
    this.#count = Math.min(this.#count, maxOnceUp);
  }

  /** @returns whether it was steady */
  lost(): boolean {
    const wasSteady = this.#now() - this.#upAt > steadyTime;
    if (wasSteady) this.#count = 0;
    return wasSteady;
  }
}

/** The longest wait before another attempt is made beside one that hangs. */
export const maxGap: Milliseconds = 10_000;

/** Handshakes that may be ahead in the queue of a server: those of a fleet. */
const fleet = 100;

/** A silent connection is left at last, however dear handshakes are. */
const maxCost: Milliseconds = 64;

/**
 * When to open a connection beside one that hangs. It costs the server a handshake, and a whole fleet does it at the same time: the dearer
 * handshakes are, the longer it waits. Their cost is that of the cheapest so far.
 */
export class Pacing {
  readonly #least: Milliseconds;
  readonly #presumed: Milliseconds;
  #cost = Number.POSITIVE_INFINITY;

  /** `least`: the shortest wait before a next attempt. `presumed`: the wait before it is known what a handshake costs. */
  constructor(least: Milliseconds, presumed: Milliseconds) {
    this.#least = least;
    this.#presumed = presumed;
  }

  /** What a handshake has cost, if that is known. */
  learn(cost: Milliseconds = Number.POSITIVE_INFINITY): void {
    this.#cost = Math.min(this.#cost, cost);
  }

  /** Before the connection in use, which has gone silent, gets a rival: 25 to 125 handshakes, so that a stall passes and a fleet spreads out. */
  untilRival(random: () => number = Math.random): Milliseconds {
    return Math.min(this.#cost, maxCost) * fleet * (0.25 + random());
  }

  /** Before another attempt is made beside the nth that hangs, counted from 0. */
  untilNext(attempt: number, random: () => number = Math.random): Milliseconds {
    const isKnown = this.#cost < Number.POSITIVE_INFINITY;
    const first = isKnown ? Math.min(maxGap, Math.max(this.#least, this.#cost * fleet)) : this.#presumed;
    return Math.max(first, Math.min(maxGap, first * 2 ** Math.max(0, attempt - 1))) * (1 + random() / 2);
  }
}
