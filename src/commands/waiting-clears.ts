import { ClosedError } from '../errors.js';
import { worthAnotherAttempt as isRetryable } from './another-attempt.js';

/** The most clears that may wait, each of another scope; one more fails loud. */
const maxClears = 100;

/** A clear that can be sent later. */
export interface Clear {
  /** Names what it deletes: a second clear of the same scope is the same clear. */
  readonly scope: string;
  /** Whether it deletes this key in Redis, which reads as missing until then. */
  hides(key: string): boolean;
  run(): Promise<unknown>;
  /** Told of the error if Redis refuses the clear, which then waits no longer. */
  refused(error: unknown): void;
}

/** The clears that wait for Redis, in order. */
export class WaitingClears {
  readonly #waiting = new Map<string, Clear>();
  #sending: Promise<void> | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  /** Whether one is being sent: its own scan must see the keys that it hides from others. */
  get sending(): boolean {
    return this.#sending !== undefined;
  }

  /** @returns false if there is no room */
  add(clear: Clear): boolean {
    if (!this.#waiting.has(clear.scope) && this.#waiting.size === maxClears) return false;
    // To the end, as another object: one of this scope that is being sent may have passed what this one is to delete.
    this.#waiting.delete(clear.scope);
    this.#waiting.set(clear.scope, clear);
    return true;
  }

  hides(key: string): boolean {
    for (const clear of this.#waiting.values()) if (clear.hides(key)) return true;
    return false;
  }

  /** Sends them one after another, until Redis cannot be reached. Never rejects. */
  send(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    for (const clear of [...this.#waiting.values()]) {
      try {
        await clear.run();
      } catch (error) {
        if (isRetryable(error) || error instanceof ClosedError) return;
        if (this.#isLatest(clear)) clear.refused(error);
      }
      if (this.#isLatest(clear)) this.#waiting.delete(clear.scope);
    }
  }

  #isLatest(clear: Clear): boolean {
    return this.#waiting.get(clear.scope) === clear;
  }
}
