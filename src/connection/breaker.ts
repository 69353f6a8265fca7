import { BreakerOpenError, CommandError, ConnectionError, expected, OptionError, TimeoutError, UnavailableError } from '../errors.js';
import { onlyKnown } from '../known-names.js';
import type { Milliseconds } from '../ttl.js';
import type { Status } from './connection.js';

/**
 * - `closed`: calls go through.
 * - `open`: Redis does not answer; calls fail at once and nothing is sent.
 * - `half-open`: one call is let through to see; the others fail at once until it is answered.
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Calls that fail for want of an answer, one after the other with no answer in between, until it opens, ≥ 1. Default 5. */
  readonly threshold?: number | undefined;
  /** Milliseconds from opening to the first trial, > 0. Doubled with each trial that fails. Default 250. */
  readonly cooldown?: Milliseconds | undefined;
  /** What the cooldown grows to, in milliseconds. Default 1000. */
  readonly maxCooldown?: Milliseconds | undefined;
}

/**
 * Keeps calls from a Redis that does not answer, so that an outage is paid for once and not by every call. It opens after
 * `threshold` failures in a row, or at once when the connection is known to be gone; it tries again after the cooldown, or as
 * soon as the connection is back. Any answer closes it, an error reply too.
 */
export class Breaker {
  readonly #threshold: number;
  readonly #cooldown: Milliseconds;
  readonly #maxCooldown: Milliseconds;
  readonly #status: () => Status;
  readonly #onChange: (state: BreakerState) => void;
  readonly #now: () => Milliseconds;
  #state: BreakerState = 'closed';
  #failures = 0;
  /** How long the next opening lasts; grows while trials fail. */
  #next: Milliseconds;
  #until = 0;
  #wasReady = false;
  /** One for all the calls of an opening: making it is most of what a refused call would cost. */
  #error = new BreakerOpenError();

  constructor(
    options: BreakerOptions,
    status: () => Status,
    onChange: (state: BreakerState) => void = () => {},
    now: () => Milliseconds = () => performance.now(),
  ) {
    const { threshold, cooldown, maxCooldown } = withDefaults(options);
    this.#threshold = threshold;
    this.#cooldown = cooldown;
    this.#maxCooldown = maxCooldown;
    this.#next = cooldown;
    this.#status = status;
    this.#onChange = onChange;
    this.#now = now;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** The error for a call that shall not be made, or nothing where it may: then as a trial, if the breaker is not closed. */
  refusal(): BreakerOpenError | undefined {
    if (this.#state === 'closed') return undefined;
    if (this.#state === 'open') {
      const ready = this.#status() === 'ready';
      const back = ready && !this.#wasReady;
      this.#wasReady = ready;
      if (back || this.#now() >= this.#until) {
        this.#become('half-open');
        return undefined;
      }
    }
    return this.#error;
  }

  answered(): void {
    this.#failures = 0;
    if (this.#state === 'closed') return;
    this.#next = this.#cooldown;
    this.#become('closed');
  }

  /** `silent`: nothing was answered since the call began. */
  failed(error: unknown, silent: boolean): void {
    const unavailable = error instanceof UnavailableError;
    const lost = error instanceof ConnectionError && !(error instanceof BreakerOpenError);
    // Refused by Redis is answered by Redis.
    if (error instanceof CommandError && !unavailable) this.answered();
    else if (!unavailable && !lost && !(error instanceof TimeoutError)) this.#giveUpTrial();
    // Not the connection that is there, but another: that of one node of several, or one that was just left.
    else if (this.#state === 'half-open' && lost && this.#status() === 'ready') this.#giveUpTrial();
    else if (this.#state === 'half-open' || (lost && this.#status() === 'reconnecting')) this.#open(error);
    // Where others were answered meanwhile, a shard or this one command is in trouble, not Redis.
    else if (silent && ++this.#failures >= this.#threshold) this.#open(error);
  }

  #open(cause: unknown): void {
    if (this.#state === 'open') return;
    // A trial that is answered costs next to nothing, and nothing but a trial tells when Redis can serve again.
    const reached = cause instanceof UnavailableError;
    if (reached) this.#next = this.#cooldown;
    this.#until = this.#now() + this.#next;
    if (!reached) this.#next = Math.min(this.#maxCooldown, this.#next * 2);
    this.#failures = 0;
    this.#wasReady = this.#status() === 'ready';
    this.#error = new BreakerOpenError(cause);
    this.#become('open');
  }

  /** The trial ended in a way that says nothing about Redis (its caller gave up, the pool was full): the next call is one. */
  #giveUpTrial(): void {
    if (this.#state !== 'half-open') return;
    this.#until = 0;
    this.#become('open');
  }

  #become(state: BreakerState): void {
    this.#state = state;
    this.#onChange(state);
  }
}

const known: Record<keyof BreakerOptions, true> = { threshold: true, cooldown: true, maxCooldown: true };

/** @throws {OptionError} for what cannot be understood */
export function checkBreaker(options: BreakerOptions): void {
  onlyKnown('breaker', options, known);
  const { threshold, cooldown, maxCooldown } = withDefaults(options);
  check('threshold', 'an integer ≥ 1', threshold, Number.isInteger(threshold) && threshold >= 1);
  check('cooldown', 'a number of milliseconds > 0', cooldown, typeof cooldown === 'number' && cooldown > 0);
  check('maxCooldown', 'a number of milliseconds ≥ `cooldown`', maxCooldown, typeof maxCooldown === 'number' && maxCooldown >= cooldown);
}

function withDefaults(options: BreakerOptions): { threshold: number; cooldown: Milliseconds; maxCooldown: Milliseconds } {
  const { threshold = 5, cooldown = 250, maxCooldown = Math.max(1000, cooldown) } = options;
  return { threshold, cooldown, maxCooldown };
}

function check(name: string, what: string, got: unknown, ok: boolean): void {
  if (!ok) throw new OptionError(expected(`breaker.${name}`, what, got));
}
