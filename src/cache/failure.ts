import { AbortedError, ArgumentError, BreakerOpenError, CacheError, CommandError } from '../errors.js';
import { copyOf } from '../messages.js';
import { attempt, unawaited } from '../time/waiting.js';
import type { CacheContext } from './context.js';

/** The operation that an error names. */
export interface Operation {
  readonly name: string;
  readonly key?: string | undefined;
}

/**
 * The failure policy, all of it. Each failure is emitted as `error`. Then a read or a write answers `instead`, and an operation that the
 * caller relies on for correctness rejects. A wrong argument always rejects on a store. An aborted call rejects without an event: the
 * caller asked for it. A rejection that is not awaited does not end the process.
 */
export class FailurePolicy {
  readonly #context: CacheContext;
  /** Whether a read or a write with right arguments may reject. `get` is called too often to mark every promise. */
  readonly #mayReject: boolean;

  constructor(context: CacheContext) {
    this.#context = context;
    this.#mayReject = context.onFailure === 'throw' || context.signal !== undefined;
  }

  /** For reads and writes: fails open. */
  failOpen<T>(operation: Operation, work: () => Promise<T>, instead: T): Promise<T> {
    return unawaited(attempt(work).catch((error: unknown) => this.recover(operation, error, instead)));
  }

  /** For a read, whose promise rejects only with `onFailure: 'throw'`, by the signal, or for a wrong key. */
  reading<T>(key: unknown, read: Promise<T>): Promise<T> {
    return this.#mayReject || typeof key !== 'string' ? unawaited(read) : read;
  }

  /** The same for a write with right arguments. */
  writing<T>(write: Promise<T>): Promise<T> {
    return this.#mayReject ? unawaited(write) : write;
  }

  /** For operations that the caller relies on: fails loud. */
  failLoud<T>(operation: Operation, work: () => Promise<T>): Promise<T>;
  /** `answer`: what the caller gets for the result. */
  failLoud<T, R>(operation: Operation, work: () => Promise<T>, answer: (result: T) => R): Promise<R>;
  failLoud<T, R>(operation: Operation, work: () => Promise<T>, answer?: (result: T) => R): Promise<T | R> {
    const failed = (error: unknown): never => {
      throw this.report(operation, error);
    };
    return unawaited(attempt(work).then(answer, failed));
  }

  /** Emits a failure and gives `instead`, or throws if failures are to be thrown. */
  recover<T>(operation: Operation, error: unknown, instead: T): T {
    const { events, counters, onFailure, strict } = this.#context;
    // An error without a listener need not be made: while the circuit breaker is open that is most of the cost of a call.
    if (error instanceof BreakerOpenError && onFailure === 'miss' && !events.heard.error) {
      counters.failed(error);
      return instead;
    }
    const failure = this.report(operation, error);
    if (onFailure === 'throw' || (strict && failure instanceof ArgumentError) || failure instanceof AbortedError) throw failure;
    return instead;
  }

  /** Parses arguments, and emits the error if they are wrong. */
  parsed<T>(operation: Operation, parse: () => T): T {
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
    const failure =
      error instanceof CacheError ? error : new CommandError(error instanceof Error ? error.message : String(error), { cause: error });
    // All calls that waited for one connection, or met the open circuit breaker, share one error.
    const own = failure.operation === undefined && !(failure instanceof BreakerOpenError) ? failure : copyOf(failure);
    own.operation = operation.name;
    if (operation.key !== undefined) own.key = operation.key;
    return own instanceof AbortedError ? own : this.#emit(own);
  }

  /** Emits a wrong argument once, however many operations pass it on. */
  #refuse({ name, key }: Operation, error: ArgumentError): ArgumentError {
    if (error.operation !== undefined) return error;
    error.operation = name;
    if (typeof key === 'string') error.key = key;
    return this.#emit(error);
  }

  #emit<E extends CacheError | ArgumentError>(error: E): E {
    this.#context.counters.failed(error);
    this.#context.events.emit('error', error);
    return error;
  }
}
