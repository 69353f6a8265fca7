import { worthAnotherAttempt } from '../commands/another-attempt.js';
import type { Commands } from '../commands/commands.js';
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

/** How many are owed at the most; what comes beyond is tried once, and lapses. */
const most = 1000;

/** Gives back to Redis what nobody works on any more, for somebody may wait for it: at once, or as soon as Redis can be asked. */
export class Returns {
  readonly #release: Commands['release'];
  readonly #signal: AbortSignal;
  #owed = 0;

  /** `commands`: with the bounds of the store. Those of a call may be over by then. */
  constructor({ release }: Pick<Commands, 'release'>, { signal }: Pick<Background, 'signal'>) {
    this.#release = release;
    this.#signal = signal;
  }

  /** Resolves when it was tried once, and goes on by itself where that came to nothing. With `rest`, nobody else gets it for so long. Never rejects. */
  add(held: Held, rest?: Milliseconds): Promise<void> {
    return this.#add(() => this.#done(held, rest));
  }

  /**
   * The same where the claim failed with this error. It may have been carried out all the same, or arrive later than what is asked now, over a connection that was given
   * up since: so that it is nobody's counts only when Redis has said so for as long as it would be held.
   */
  async addLost(held: Held, error: unknown): Promise<void> {
    if (unsent(error) || error instanceof CommandError) return;
    let end: Milliseconds | undefined;
    await this.#add(async () => {
      if (!(await this.#release(held.key, held.token))) {
        end ??= performance.now() + held.time;
        return performance.now() >= end;
      }
      return true;
    });
  }

  async #done({ key, token }: Held, rest?: Milliseconds): Promise<boolean> {
    await this.#release(key, token, rest);
    return true;
  }

  async #add(attempt: () => Promise<boolean>): Promise<void> {
    const settled = (): Promise<boolean> => attempt().catch((error: unknown) => !worthAnotherAttempt(error));
    if ((await settled()) || this.#owed >= most) return;
    this.#owed++;
    void this.#again(settled).finally(() => this.#owed--);
  }

  async #again(settled: () => Promise<boolean>): Promise<void> {
    for (const delay of backoff(50, 1.5, 300)) {
      await pause(delay, { idle: true, signal: this.#signal });
      if (this.#signal.aborted || (await settled())) return;
    }
  }
}

/** Whether nothing was sent. */
function unsent(error: unknown): boolean {
  return [BreakerOpenError, OverloadedError, PoolTimeoutError, ClosedError].some((kind) => error instanceof kind);
}
