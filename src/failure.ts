import { AbortedError, ArgumentError, BreakerOpenError, CacheError, CommandError } from './errors.js';
import type { Events } from './events.js';
import type { Counters } from './telemetry/counters.js';

/** What a failed read or write becomes: `'miss'` gives the caller a miss, `'throw'` the error. */
export type OnFailure = 'miss' | 'throw';

/** What failed, for the error that says so. */
export interface Operation {
  readonly name: string;
  readonly key?: string | undefined;
}

/**
 * The failure policy, all of it. Every failure is emitted as `error`; then a read or a write answers `instead`, and what
 * the caller relies on for correctness rejects. A wrong argument is the caller's mistake, and what the
 * caller aborted its wish: they always reject, and only that.
 */
export class FailurePolicy {
  readonly #events: Events;
  readonly #onFailure: OnFailure;
  readonly #counters: Counters;

  constructor(events: Events, onFailure: OnFailure, counters: Counters) {
    this.#events = events;
    this.#onFailure = onFailure;
    this.#counters = counters;
  }

  /** For reads and writes: fails open. */
  async open<T>(operation: Operation, work: () => Promise<T>, instead: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      return this.recover(operation, error, instead);
    }
  }

  /** For what the caller relies on: fails loud. */
  async loud<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.report(operation, error);
    }
  }

  /** Tells of a failure and gives `instead`, or throws where failures shall be thrown. */
  recover<T>(operation: Operation, error: unknown, instead: T): T {
    // What nobody will see need not be made: with the breaker open this is most of what a call costs.
    if (error instanceof BreakerOpenError && this.#onFailure === 'miss' && !this.#events.heard.error) {
      this.#counters.failed(error);
      return instead;
    }
    const failure = this.report(operation, error);
    if (this.#onFailure === 'throw' || failure instanceof ArgumentError || failure instanceof AbortedError) throw failure;
    return instead;
  }

  /** Names the operation in the error and emits it. */
  report(operation: Operation, error: unknown): Error {
    if (error instanceof ArgumentError || (error instanceof AbortedError && error.operation !== undefined)) return error;
    const failure = error instanceof CacheError ? error : new CommandError(messageOf(error), { cause: error });
    // A connection error may be shared by every call that waited for the same connection, or while the breaker is open.
    const own = failure.operation === undefined && !(failure instanceof BreakerOpenError) ? failure : copyOf(failure);
    own.operation = operation.name;
    if (operation.key !== undefined) own.key = operation.key;
    if (own instanceof AbortedError) return own;
    this.#counters.failed(own);
    this.#events.emit('error', own);
    return own;
  }
}

function copyOf(error: CacheError): CacheError {
  return Object.assign(Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error)), {});
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
