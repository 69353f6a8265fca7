import { check, checkInteger, onlyKnown } from '../checks.js';
import { BackpressureError, BreakerOpenError, CommandError, ConnectionError, TimeoutError, UnavailableError } from '../errors.js';
import type { BreakerState } from '../telemetry/events.js';
import { performance } from '../time/clock.js';
import { type Duration, type Milliseconds, milliseconds } from '../ttl.js';
import type { Status } from './connection.js';

/** The option `breaker`. */
export interface BreakerOptions {
  /** Failures that open the breaker: in a row, or timeouts within one `timeout` if most calls fail, ≥ 1. Default 5. */
  readonly threshold?: number | undefined;
  /** Milliseconds from opening to the first trial, > 0. Each failed trial doubles it. Default 250. */
  readonly cooldown?: Duration | undefined;
  /** Maximum cooldown in milliseconds, ≥ `cooldown`. Default 1000. */
  readonly maxCooldown?: Duration | undefined;
}

/** A breaker that opens for timeouts this soon after it closed asks for twice as many trials in time, and for so many at most. */
const relapse: Milliseconds = 10_000;
const maxTrials = 16;
/**
 * After so many openings for timeouts in so long a time Redis answers in about the time of a deadline. Then only trials that take no more
 * than half of it count, and it takes the most: at the border, the breaker would open and close without end.
 */
const maxOpenings = 3;
const flapping: Milliseconds = 60_000;

/**
 * A circuit breaker: during an outage calls fail at once instead of each waiting for its deadline. It opens after `threshold` failures
 * in a row, after as many if most calls fail, or at once when the connection is lost. It lets a trial through after the cooldown, or as soon
 * as the connection is back. Replies to trials close it, error replies too.
 */
export class Breaker {
  readonly #options: ReturnType<typeof withDefaults>;
  readonly #status: () => Status;
  readonly #onChange: (state: BreakerState, cause: unknown) => void;
  readonly #now: () => Milliseconds;
  readonly #timeouts: RecentCount;
  readonly #slowAfter: Milliseconds;
  #state: BreakerState = 'closed';
  #inARow = 0;
  /** The cooldown of the next opening. */
  #nextCooldown: Milliseconds;
  #openUntil = 0;
  /** When it opened for timeouts: the last times. */
  #openings: readonly Milliseconds[] = [];
  #closedAt = Number.NEGATIVE_INFINITY;
  /** Whether a trial is under way, and since when. */
  #isTrying = false;
  #triedAt = 0;
  /** Replies to trials that close it, and those that are missing yet. */
  #trials = 1;
  #trialsLeft = 1;
  /** Whether a late answer may start a trial before the cooldown is over. */
  #isAwaitingSign = false;
  #wasReady = false;
  /** Shared by all calls of one opening: creating it would be most of the cost of a refused call. */
  #error = new BreakerOpenError();

  /** `timeout`: the deadline of a call. */
  constructor(
    options: BreakerOptions,
    timeout: Milliseconds,
    status: () => Status,
    onChange: (state: BreakerState, cause: unknown) => void = () => {},
    now: () => Milliseconds = () => performance.now(),
  ) {
    this.#options = withDefaults(options);
    this.#nextCooldown = this.#options.cooldown;
    this.#status = status;
    this.#onChange = onChange;
    this.#now = now;
    this.#timeouts = new RecentCount(timeout, now);
    this.#slowAfter = timeout / 2;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** @returns the error for a call that must not be sent; `undefined` for a call that may, as a trial if the breaker is not closed */
  check(): BreakerOpenError | undefined {
    if (this.#state === 'closed') return undefined;
    if (this.#state === 'open' && this.#isDue()) this.#become('half-open');
    if (this.#state === 'open' || this.#isTrying) return this.#error;
    this.#isTrying = true;
    this.#triedAt = this.#now();
    return undefined;
  }

  #isDue(): boolean {
    const ready = this.#status() === 'ready';
    const back = ready && !this.#wasReady;
    this.#wasReady = ready;
    return back || this.#now() >= this.#openUntil;
  }

  /** Records a reply within the deadline. */
  answered(isTrial: boolean): void {
    this.#inARow = 0;
    if (this.#state === 'closed' || !isTrial) return;
    this.#isTrying = false;
    const now = this.#now();
    const isSlow = now - this.#triedAt > this.#slowAfter;
    this.#trialsLeft = isSlow && this.#isFlapping(now) ? this.#trials : this.#trialsLeft - 1;
    if (this.#trialsLeft > 0) return;
    this.#closedAt = now;
    this.#nextCooldown = this.#options.cooldown;
    this.#become('closed');
  }

  #isFlapping(now: Milliseconds): boolean {
    return this.#openings.length === maxOpenings && now - (this.#openings[0] as number) < flapping;
  }

  /** Records a reply after the deadline: Redis is there, however slow it is. */
  answeredLate(): void {
    if (this.#state !== 'open' || !this.#isAwaitingSign) return;
    this.#isAwaitingSign = false;
    this.#openUntil = 0;
  }

  /** Records a failed call. `answered`: how many other calls were answered in time since it began. */
  failed(error: unknown, answered: number, isTrial: boolean): void {
    const unavailable = error instanceof UnavailableError;
    const lost = error instanceof ConnectionError && !(error instanceof BreakerOpenError || error instanceof BackpressureError);
    // An error reply is a reply.
    if (error instanceof CommandError && !unavailable) this.answered(isTrial);
    else if (!unavailable && !lost && !tookTime(error)) this.abandoned(isTrial);
    // The lost connection is another than the one that is ready: one node of several, or one that was just replaced.
    else if (this.#state === 'half-open' && lost && this.#status() === 'ready') this.abandoned(isTrial);
    else if ((this.#state === 'half-open' && isTrial) || (lost && this.#status() === 'reconnecting')) this.#open(error);
    else if (this.#state === 'closed' && this.#isTooMuch(error, answered)) this.#open(error);
  }

  /** If most other calls were answered meanwhile, a shard or some commands are in trouble, not Redis. */
  #isTooMuch(error: unknown, answered: number): boolean {
    const { threshold } = this.#options;
    if (answered === 0 && ++this.#inARow >= threshold) return true;
    // Both counts are of one timeout. What fails at once says nothing of that time.
    if (!tookTime(error)) return false;
    const recent = this.#timeouts.add();
    return recent >= threshold && recent > answered;
  }

  #open(cause: unknown): void {
    if (this.#state === 'open') return;
    const now = this.#now();
    if (this.#state === 'closed') {
      const isTimeout = tookTime(cause);
      if (isTimeout) this.#openings = [...this.#openings.slice(1 - maxOpenings), now];
      const isRelapse = isTimeout && now - this.#closedAt < relapse;
      this.#trials = this.#isFlapping(now) ? maxTrials : isRelapse ? Math.min(maxTrials, this.#trials * 2) : 1;
      this.#isAwaitingSign = true;
    }
    this.#trialsLeft = this.#trials;
    // A trial that Redis refuses costs next to nothing, and only a trial shows when Redis can serve again.
    const reached = cause instanceof UnavailableError;
    if (reached) this.#nextCooldown = this.#options.cooldown;
    this.#openUntil = now + this.#nextCooldown;
    if (!reached) this.#nextCooldown = Math.min(this.#options.maxCooldown, this.#nextCooldown * 2);
    this.#inARow = 0;
    this.#isTrying = false;
    this.#timeouts.clear();
    this.#wasReady = this.#status() === 'ready';
    this.#error = new BreakerOpenError(cause);
    this.#become('open');
  }

  /** Records a call that said nothing about Redis (its caller gave up, the pool was full). If it was the trial, the next call is. */
  abandoned(isTrial: boolean): void {
    if (this.#state !== 'half-open' || !isTrial) return;
    this.#isTrying = false;
    this.#openUntil = 0;
    this.#become('open');
  }

  #become(state: BreakerState): void {
    this.#state = state;
    this.#onChange(state, this.#error.cause);
  }
}

/** Whether the call failed because it took too long. */
function tookTime(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof BackpressureError && error.waited);
}

/** How much was counted in the last `span`, estimated from two of that length. */
class RecentCount {
  readonly #span: Milliseconds;
  readonly #now: () => Milliseconds;
  #since = Number.NEGATIVE_INFINITY;
  #current = 0;
  #previous = 0;

  constructor(span: Milliseconds, now: () => Milliseconds) {
    this.#span = span;
    this.#now = now;
  }

  /** Counts one more. @returns the count */
  add(): number {
    const now = this.#now();
    const age = now - this.#since;
    if (age >= this.#span) {
      const isNext = age < 2 * this.#span;
      this.#previous = isNext ? this.#current : 0;
      this.#current = 0;
      this.#since = isNext ? this.#since + this.#span : now;
    }
    this.#current++;
    return this.#current + this.#previous * (1 - (now - this.#since) / this.#span);
  }

  clear(): void {
    this.#current = 0;
    this.#previous = 0;
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

function withDefaults({ threshold = 5, ...times }: BreakerOptions) {
  const cooldown = milliseconds(times.cooldown, 250);
  return { threshold, cooldown, maxCooldown: milliseconds(times.maxCooldown, Math.max(1000, cooldown)) };
}
