import {
  BackpressureError,
  BreakerOpenError,
  ClosedError,
  CommandError,
  LockError,
  OverloadedError,
  PoolTimeoutError,
  UnsupportedError,
} from '../errors.js';
import type { Background } from '../time/background.js';
import { performance } from '../time/clock.js';
import { backoff, pause } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import type { Commands, LeaseMark } from './commands.js';
import { isRetryable } from './pending-deletions.js';

/** A lease or a lock: a key in Redis that holds a token until it is released or expires. */
export interface Held {
  readonly key: string;
  readonly token: string;
  readonly time: Milliseconds;
}

interface PendingRelease extends Held {
  readonly mark?: LeaseMark | undefined;
  /** Its claim was not answered: Redis may have executed it, or will. */
  readonly isLost: boolean;
  /** When to stop trying. */
  end: Milliseconds;
  isAnswered: boolean;
}

/** How many releases may wait. One more is tried once, and otherwise expires. */
const maxPending = 1000;
/** How long after an answer of Redis a claim may still arrive over a connection that was closed. */
const maxDelay: Milliseconds = 10_000;
/** The longest wait between attempts while Redis does not answer. */
const maxRetryDelay: Milliseconds = 500;

/** Releases leases and locks, for other callers may wait for them: at once, or as soon as Redis can be reached. */
export class ReleaseQueue {
  /** Whether a command of this moment would be sent. */
  readonly isReachable: () => boolean;
  readonly #release: Commands['release'];
  readonly #signal: AbortSignal;
  #pending = 0;

  /** `commands`: with the deadline of the store. That of a call may be over. */
  constructor({ release }: Pick<Commands, 'release'>, { signal }: Pick<Background, 'signal'>, isReachable: () => boolean = () => true) {
    this.isReachable = isReachable;
    this.#release = release;
    this.#signal = signal;
  }

  /** Resolves after the first attempt, and goes on trying if Redis did not answer. A `mark` replaces the lease. Never rejects. */
  add(held: Held, mark?: LeaseMark): Promise<void> {
    return this.#add({ ...held, mark, isLost: false, end: performance.now() + held.time, isAnswered: false });
  }

  /** The same for a claim that failed with this error. It may arrive after the release, so one answer that the token does not hold is not final. */
  async addLost(held: Held, error: unknown): Promise<void> {
    // It was not sent, or Redis refused it.
    if (
      [BackpressureError, BreakerOpenError, OverloadedError, PoolTimeoutError, ClosedError, CommandError, LockError, UnsupportedError].some(
        (kind) => error instanceof kind,
      )
    )
      return;
    await this.#add({ ...held, isLost: true, end: Number.POSITIVE_INFINITY, isAnswered: false });
  }

  async #add(pending: PendingRelease): Promise<void> {
    if ((await this.#isSettled(pending)) || this.#pending >= maxPending) return;
    this.#pending++;
    void this.#retry(pending).finally(() => {
      this.#pending--;
    });
  }

  async #retry(pending: PendingRelease): Promise<void> {
    const signal = this.#signal;
    // A late claim blocks others for a third of its time at most.
    for (const delay of backoff(50, 2, Math.max(50, lifetime(pending) / 4))) {
      await pause(pending.isAnswered ? delay : Math.min(delay, maxRetryDelay), { idle: true, signal });
      if (signal.aborted || (await this.#isSettled(pending))) return;
    }
  }

  async #isSettled(pending: PendingRelease): Promise<boolean> {
    const { key, token, mark, isLost } = pending;
    try {
      if ((await this.#release(key, token, mark)) || !isLost) return true;
      if (!pending.isAnswered) pending.end = performance.now() + lifetime(pending);
      pending.isAnswered = true;
    } catch (error) {
      if (!isRetryable(error)) return true;
    }
    return performance.now() >= pending.end;
  }
}

/** How long a claim may still arrive, and matter. */
function lifetime({ time }: Held): Milliseconds {
  return Math.min(time, maxDelay);
}
