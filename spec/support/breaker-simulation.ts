import { Breaker } from '../../src/connection/breaker.js';
import { TimeoutError } from '../../src/index.js';
import { Random } from './chaos/random.js';

export interface SimulatedLoad {
  /** How long Redis takes for a call of this time, both in milliseconds. `random`: from 0 up to 1. */
  readonly latency: (time: number, random: () => number) => number;
  /** Calls a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
}

const timeout = 1000;

/** A breaker over a Redis that answers in order, each call as late as the load says: minutes of it at once. @returns when it left `closed` and came back */
export function simulateBreaker({ latency, rate, seconds, seed }: SimulatedLoad): number[] {
  const random = new Random(seed);
  const next = (): number => random.next();
  const events: { time: number; act: () => void }[] = [];
  const at = (time: number, act: () => void): void => {
    let index = events.length;
    while (index > 0 && (events[index - 1] as { time: number }).time < time) index--;
    events.splice(index, 0, { time, act });
  };
  const changes: number[] = [];
  let [now, replies, free, wasClosed] = [0, 0, 0, true];
  const changed = (state: string): void => {
    if ((state === 'closed') === wasClosed) return;
    wasClosed = !wasClosed;
    changes.push(now);
  };
  const breaker = new Breaker(
    {},
    timeout,
    () => 'ready',
    changed,
    () => now,
  );
  function call(): void {
    const isTrial = breaker.check() === undefined && breaker.state === 'half-open';
    if (breaker.state === 'closed' || isTrial) {
      const [began, before] = [now, replies];
      free = Math.max(free, now + latency(now, next));
      if (free < began + timeout) {
        at(free, () => {
          replies++;
          breaker.answered(isTrial);
        });
      } else {
        at(began + timeout, () => breaker.failed(new TimeoutError(timeout), replies - before, isTrial));
        at(free, () => breaker.answeredLate());
      }
    }
    at(now + (1000 / rate) * (0.5 + next()), call);
  }
  at(0, call);
  for (let event = events.pop(); event && event.time < seconds * 1000; event = events.pop()) {
    now = event.time;
    event.act();
  }
  return changes;
}

/** The largest number of these times within any minute. */
export function densestMinute(times: readonly number[]): number {
  return Math.max(0, ...times.map((from, i) => times.slice(i).filter((time) => time < from + 60_000).length));
}
