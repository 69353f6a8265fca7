import { AbortedError, ArgumentError, BreakerOpenError, CacheError, CommandError } from './errors.js';
import type { Events } from './events.js';
import type { Counters } from './telemetry/counters.js';
import { unawaited } from './unawaited.js';

/** What a failed read or write becomes: `'miss'` gives the caller a miss, `'throw'` the error. */
export type OnFailure = 'miss' | 'throw';

/** What failed, for the error that says so. */
export interface Operation {
  readonly name: string;
  readonly key?: string | undefined;
}

export interface FailureParts {
  readonly events: Events;
  readonly onFailure: OnFailure;
  /** Whether wrong arguments reject. */
  readonly strict: boolean;
  readonly counters: Counters;
  /** The callers' signal: calls that it aborts reject, whatever `onFailure` says. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The failure policy, all of it. Every failure is emitted as `error`; then a read or a write answers `instead`, and an operation that
 * the caller relies on for correctness rejects. A wrong argument always rejects on a store. An aborted call rejects and emits nothing: it is what
 * the caller asked for. A call that nothing awaits does not end the process.
 */
export class FailurePolicy {
  readonly #events: Events;
  readonly #onFailure: OnFailure;
  readonly #strict: boolean;
  readonly #counters: Counters;
  /** Whether a read or a write with right arguments may reject: `get` is too often called to mark every promise. */
  readonly #mayReject: boolean;

  constructor({ events, onFailure, strict, counters, signal }: FailureParts) {
    this.#events = events;
    this.#mayReject = onFailure === 'throw' || signal !== undefined;
    this.#onFailure = onFailure;
    this.#strict = strict;
    this.#counters = counters;
  }

  /** For reads and writes: fails open. */
  open<T>(operation: Operation, work: () => Promise<T>, instead: T): Promise<T> {
    return unawaited(this.#open(operation, work, instead));
  }

  /** The promise of a read of this key, which rejects only with `onFailure: 'throw'`, by the callers' signal, or for a wrong key. */
  reading<T>(key: unknown, read: Promise<T>): Promise<T> {
    return this.#mayReject || typeof key !== 'string' ? unawaited(read) : read;
  }

  /** The same of a write whose arguments are right. */
  writing<T>(write: Promise<T>): Promise<T> {
    return this.#mayReject ? unawaited(write) : write;
  }

  /** For what the caller relies on: fails loud. */
  loud<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    return unawaited(this.#loud(operation, work));
  }

  /** Tells of a failure and gives `instead`, or throws where failures shall be thrown. */
  recover<T>(operation: Operation, error: unknown, instead: T): T {
    // What nobody will see need not be made: with the breaker open this is most of what a call costs.
    if (error instanceof BreakerOpenError && this.#onFailure === 'miss' && !this.#events.heard.error) {
      this.#counters.failed(error);
      return instead;
    }
    const failure = this.report(operation, error);
    if (this.#onFailure === 'throw' || (this.#strict && failure instanceof ArgumentError) || failure instanceof AbortedError) throw failure;
    return instead;
  }

  /** What the arguments mean; an error of theirs is emitted. */
  checked<T>(operation: Operation, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      throw this.report(operation, error);
    }
  }

  /** Names the operation in the error and emits it. */
  report(operation: Operation, error: unknown): Error {
    if (error instanceof AbortedError && error.operation !== undefined) return error;
    if (error instanceof ArgumentError) return this.#refuse(operation, error);
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

  async #loud<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.report(operation, error);
    }
  }

  async #open<T>(operation: Operation, work: () => Promise<T>, instead: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      return this.recover(operation, error, instead);
    }
  }

  /** Emits a wrong argument once, however many operations pass it on. */
  #refuse({ name, key }: Operation, error: ArgumentError): ArgumentError {
    if (error.operation !== undefined) return error;
    error.operation = name;
    if (typeof key === 'string') error.key = key;
    this.#counters.failed(error);
    this.#events.emit('error', error);
    return error;
  }
}

function copyOf(error: CacheError): CacheError {
  return Object.assign(Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error)), {});
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
