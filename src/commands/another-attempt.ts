import {
  CommandError,
  ConnectionError,
  OverloadedError,
  PoolTimeoutError,
  ReadOnlyError,
  TimeoutError,
  UnavailableError,
  WriteRefusedError,
} from '../errors.js';

/** Whether another attempt may fare better: Redis was not reached, or is in no state to write (a replica after a failover, a disk that is full). */
export function worthAnotherAttempt(error: unknown): boolean {
  if (error instanceof CommandError) {
    return error instanceof UnavailableError || error instanceof ReadOnlyError || error instanceof WriteRefusedError;
  }
  return [ConnectionError, TimeoutError, OverloadedError, PoolTimeoutError].some((kind) => error instanceof kind);
}
