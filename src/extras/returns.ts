import { worthAnotherAttempt } from '../commands/another-attempt.js';
import type { Commands } from '../commands/commands.js';
import type { Mark } from '../commands/leases.js';
import { performance } from '../connection/real-time.js';
import { BreakerOpenError, ClosedError, CommandError, OverloadedError, PoolTimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Background } from './background.js';
import { backoff, pause } from './pause.js';

/** What stands under a key in Redis until it is given back, or its time is over: a lease, a lock. */
export interface Held {
  readonly key: string;
  readonly token: string;
  readonly time: Milliseconds;
}

/** What is to be given back. */
interface Owed extends Held {
  readonly mark?: Mark | undefined;
  /** Its claim was not answered: it may have been carried out, or be yet. */
  readonly lost: boolean;
  /** When to stop. */
  end: Milliseconds;
  answered: boolean;
}

/** How many are owed at the most; what comes beyond is tried once, and lapses. */
const most = 1000;
/** For how long after Redis has answered a claim may arrive over a connection that was given up. */
const late: Milliseconds = 10_000;
/** How long to wait before another attempt, while Redis does not answer. */
const longest: Milliseconds = 500;

/** Gives back to Redis what nobody works on any more, for somebody may wait for it: at once, or as soon as Redis can be asked. */
export class Returns {
  /** Whether what is asked now would be sent. */
  readonly reachable: () => boolean;
  readonly #release: Commands['release'];
  readonly #signal: AbortSignal;
  #owed = 0;

  /** `commands`: with the bounds of the store. Those of a call may be over by then. */
  constructor({ release }: Pick<Commands, 'release'>, { signal }: Pick<Background, 'signal'>, reachable: () => boolean = () => true) {
    this.reachable = reachable;
    this.#release = release;
    this.#signal = signal;
  }

  /** Resolves when it was tried once, and goes on by itself where that was not answered. A `mark` takes its place. Never rejects. */
  add(held: Held, mark?: Mark): Promise<void> {
    return this.#add({ ...held, mark, lost: false, end: performance.now() + held.time, answered: false });
  }

  /** The same where the claim failed with this error. It may arrive later than what is asked now, so one answer that it is nobody's is not the last word. */
  async addLost(held: Held, error: unknown): Promise<void> {
    if (unsent(error) || error instanceof CommandError) return;
    await this.#add({ ...held, lost: true, end: Number.POSITIVE_INFINITY, answered: false });
  }

  async #add(owed: Owed): Promise<void> {
    if ((await this.#settled(owed)) || this.#owed >= most) return;
    this.#owed++;
    void this.#again(owed).finally(() => {
      this.#owed--;
    });
  }

  async #again(owed: Owed): Promise<void> {
    const signal = this.#signal;
    // What comes late keeps others waiting for a third of its time at the most.
    for (const delay of backoff(50, 2, Math.max(50, span(owed) / 4))) {
      await pause(owed.answered ? delay : Math.min(delay, longest), { idle: true, signal });
      if (signal.aborted || (await this.#settled(owed))) return;
    }
  }

  async #settled(owed: Owed): Promise<boolean> {
    const { key, token, mark, lost } = owed;
    try {
      if ((await this.#release(key, token, mark)) || !lost) return true;
      if (!owed.answered) owed.end = performance.now() + span(owed);
      owed.answered = true;
    } catch (error) {
      if (!worthAnotherAttempt(error)) return true;
    }
    return performance.now() >= owed.end;
  }
}

/** For how long it may still arrive, and matter. */
function span({ time }: Held): Milliseconds {
  return Math.min(time, late);
}

/** Whether nothing was sent. */
function unsent(error: unknown): boolean {
  return [BreakerOpenError, OverloadedError, PoolTimeoutError, ClosedError].some((kind) => error instanceof kind);
}
