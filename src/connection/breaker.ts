import { check, checkInteger, onlyKnown } from '../checks.js';
import { BreakerOpenError, CommandError, ConnectionError, TimeoutError, UnavailableError } from '../errors.js';
import type { BreakerState } from '../telemetry/events.js';
import { performance } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import type { Status } from './connection.js';

/** The option `breaker`. */
export interface BreakerOptions {
  /** Failures in a row, with no reply in between, that open the breaker, ≥ 1. Default 5. */
  readonly threshold?: number | undefined;
  /** Milliseconds from opening to the first trial, > 0. Each failed trial doubles it. Default 250. */
  readonly cooldown?: Milliseconds | undefined;
  /** Maximum cooldown in milliseconds, ≥ `cooldown`. Default 1000. */
  readonly maxCooldown?: Milliseconds | undefined;
}

/**
 * A circuit breaker: during an outage calls fail at once instead of each waiting for its deadline. It opens after `threshold` failures
 * in a row, or at once when the connection is lost. It lets a trial through after the cooldown, or as soon as the connection is back. Any
 * reply closes it, an error reply too.
 */
export class Breaker {
  readonly #options: ReturnType<typeof withDefaults>;
  readonly #status: () => Status;
  readonly #onChange: (state: BreakerState) => void;
  readonly #now: () => Milliseconds;
  #state: BreakerState = 'closed';
  #failures = 0;
  /** The cooldown of the next opening. */
  #nextCooldown: Milliseconds;
  #openUntil = 0;
  #wasReady = false;
  /** Shared by all calls of one opening: creating it would be most of the cost of a refused call. */
  #error = new BreakerOpenError();

  constructor(
    options: BreakerOptions,
    status: () => Status,
    onChange: (state: BreakerState) => void = () => {},
    now: () => Milliseconds = () => performance.now(),
  ) {
    this.#options = withDefaults(options);
    this.#nextCooldown = this.#options.cooldown;
    this.#status = status;
    this.#onChange = onChange;
    this.#now = now;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** @returns the error for a call that must not be sent; `undefined` for a call that may, as a trial if the breaker is not closed */
  check(): BreakerOpenError | undefined {
    if (this.#state === 'closed') return undefined;
    if (this.#state === 'open') {
      const ready = this.#status() === 'ready';
      const back = ready && !this.#wasReady;
      this.#wasReady = ready;
      if (back || this.#now() >= this.#openUntil) {
        this.#become('half-open');
        return undefined;
      }
    }
    return this.#error;
  }

  answered(): void {
    this.#failures = 0;
    if (this.#state === 'closed') return;
    this.#nextCooldown = this.#options.cooldown;
    this.#become('closed');
  }

  /** Records a failed call. `silent`: nothing was answered since the call began. */
  failed(error: unknown, silent: boolean): void {
    const unavailable = error instanceof UnavailableError;
    const lost = error instanceof ConnectionError && !(error instanceof BreakerOpenError);
    // An error reply is a reply.
    if (error instanceof CommandError && !unavailable) this.answered();
    else if (!unavailable && !lost && !(error instanceof TimeoutError)) this.#giveUpTrial();
    // The lost connection is another than the one that is ready: one node of several, or one that was just replaced.
    else if (this.#state === 'half-open' && lost && this.#status() === 'ready') this.#giveUpTrial();
    else if (this.#state === 'half-open' || (lost && this.#status() === 'reconnecting')) this.#open(error);
    // If other calls were answered meanwhile, a shard or this one command is in trouble, not Redis.
    else if (silent && ++this.#failures >= this.#options.threshold) this.#open(error);
  }

  #open(cause: unknown): void {
    if (this.#state === 'open') return;
    // A trial that Redis refuses costs next to nothing, and only a trial shows when Redis can serve again.
    const reached = cause instanceof UnavailableError;
    if (reached) this.#nextCooldown = this.#options.cooldown;
    this.#openUntil = this.#now() + this.#nextCooldown;
    if (!reached) this.#nextCooldown = Math.min(this.#options.maxCooldown, this.#nextCooldown * 2);
    this.#failures = 0;
    this.#wasReady = this.#status() === 'ready';
    this.#error = new BreakerOpenError(cause);
    this.#become('open');
  }

  /** The trial said nothing about Redis (its caller gave up, the pool was full): the next call is the trial. */
  #giveUpTrial(): void {
    if (this.#state !== 'half-open') return;
    this.#openUntil = 0;
    this.#become('open');
  }

  #become(state: BreakerState): void {
    this.#state = state;
    this.#onChange(state);
  }
}

/** Checks the option `breaker`. @throws {OptionError} */
export function checkBreaker(options: BreakerOptions): void {
  onlyKnown('breaker', options, { threshold: true, cooldown: true, maxCooldown: true } satisfies Record<keyof BreakerOptions, true>);
  const { threshold, cooldown, maxCooldown } = withDefaults(options);
  checkInteger('breaker.threshold', threshold);
  check('breaker.cooldown', 'a number of milliseconds > 0', cooldown, typeof cooldown === 'number' && cooldown > 0);
  const isMaximum = typeof maxCooldown === 'number' && maxCooldown >= cooldown;
  check('breaker.maxCooldown', 'a number of milliseconds ≥ `cooldown`', maxCooldown, isMaximum);
}

function withDefaults({ threshold = 5, cooldown = 250, maxCooldown = Math.max(1000, cooldown) }: BreakerOptions) {
  return { threshold, cooldown, maxCooldown };
}
