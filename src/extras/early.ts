import type { Milliseconds } from '../ttl.js';

/**
 * XFetch (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention"): whether a read renews the
 * value before its end. Each read draws a lead of `-cost · beta · ln(random)` milliseconds; the first read whose lead is at
 * least the time left does. So what takes long to make is renewed earlier, and rarely by two at once.
 *
 * @param left milliseconds until the value is stale
 * @param cost milliseconds that making it took
 * @param beta 1 is the best for most; above 1 earlier, below 1 later
 * @param random from 0 to 1, 0 excluded or not
 */
export function dueEarly(left: Milliseconds, cost: Milliseconds, beta: number, random: number): boolean {
  return -cost * beta * Math.log(random) >= left;
}
