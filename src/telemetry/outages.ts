import { debuglog } from 'node:util';
import { printable, shownAddress, warn } from '../messages.js';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import type { BreakerState, Events, Source } from './events.js';
import type { Counters } from './stats.js';

const log = debuglog('redis-tier');

/** Tells `NODE_DEBUG=redis-tier` what happens to connections, tracking and leases. Never a value, a key, a token or a password. */
export function debug(message: () => string): void {
  if (log.enabled) log('%s', printable(message()));
}

/** Warnings begin at least this long after the last ones: a connection that is lost again and again is one trouble. */
const warningInterval: Milliseconds = 60_000;

interface Current {
  readonly at: Milliseconds;
  /** How many operations had failed before it began. */
  readonly failures: number;
  readonly cause: unknown;
  readonly isWarned: boolean;
}

/** Tells of each outage once when it begins and once when it is over, however many operations fail. */
export class Outages {
  readonly #events: Events;
  readonly #counters: Counters;
  readonly #source: Source;
  readonly #explained: (cause: unknown) => string;
  #current: Current | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  /** `explained`: why Redis does not serve and what to do, from the failure. */
  constructor(events: Events, counters: Counters, source: Source, explained: (cause: unknown) => string) {
    this.#events = events;
    this.#counters = counters;
    this.#source = source;
    this.#explained = explained;
  }

  /** The breaker has changed. `cause`: the failure that opened it. */
  changed(state: BreakerState, cause: unknown): void {
    debug(() => `${this.#place}: the circuit breaker is ${state}`);
    if (state === 'open' && this.#current === undefined) this.#begin(cause);
    else if (state === 'closed' && this.#current !== undefined) this.#end(this.#current);
  }

  get #place(): string {
    const { address, port } = this.#source;
    const shown = address === undefined ? undefined : shownAddress(port === undefined ? { path: address } : { host: address, port });
    return shown === undefined ? 'Redis' : `Redis at ${shown}`;
  }

  #begin(cause: unknown): void {
    const at = performance.now();
    const isHeard = this.#events.heard.error || this.#events.heard.outage;
    const isWarned = !isHeard && at - this.#warnedAt >= warningInterval;
    // The failure itself is counted after the breaker has seen it.
    this.#current = { at, failures: this.#counters.allFailures, cause, isWarned };
    this.#events.emit('outage', { phase: 'begin', cause, duration: 0, failures: 0 });
    if (!isWarned) return;
    this.#warnedAt = at;
    warn(
      `${this.#place} does not serve: ${this.#explained(cause)}. Reads that need it are misses and nothing is stored until it is back. ` +
        'Listen to the events `error` or `outage` to be told instead of this warning',
      'REDIS_TIER_OUTAGE',
    );
  }

  #end({ at, failures: before, cause, isWarned }: Current): void {
    this.#current = undefined;
    const duration = performance.now() - at;
    const failures = this.#counters.allFailures - before;
    this.#events.emit('outage', { phase: 'end', cause, duration, failures });
    if (isWarned)
      warn(`${this.#place} is back after ${(duration / 1000).toFixed(1)} s. ${failures} operations failed`, 'REDIS_TIER_OUTAGE');
  }
}
