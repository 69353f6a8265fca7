import { discreet, withoutArguments } from './discretion.js';

/** Stable codes of every error that redis-tier creates. Match on these, never on message text. */
export type ErrorCode =
  | 'ERR_OPTION'
  | 'ERR_ARGUMENT'
  | 'ERR_TIMEOUT'
  | 'ERR_ABORTED'
  | 'ERR_CONNECTION'
  | 'ERR_AUTH'
  | 'ERR_MAX_CLIENTS'
  | 'ERR_BREAKER_OPEN'
  | 'ERR_OVERLOADED'
  | 'ERR_CLOSED'
  | 'ERR_POOL_TIMEOUT'
  | 'ERR_CODEC'
  | 'ERR_COMMAND'
  | 'ERR_UNAVAILABLE'
  | 'ERR_READONLY'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_WRITE_REFUSED'
  | 'ERR_PERMISSION'
  | 'ERR_REDIRECT'
  | 'ERR_TOO_LARGE'
  | 'ERR_MISSING_KEY'
  | 'ERR_UNSUPPORTED'
  | 'ERR_FACTORY_TIMEOUT'
  | 'ERR_REFRESH'
  | 'ERR_LOCK_HELD'
  | 'ERR_LOCK_LOST';

interface Details {
  /** What went wrong underneath, where something did. */
  readonly cause?: unknown;
}

/**
 * The parent of every error an operation can end with.
 * It carries the operation and the caller's key; never a value, never a password.
 */
export class CacheError extends Error {
  readonly code: ErrorCode;
  /** The method that failed, such as `get` or `delPattern`. */
  operation?: string;
  /** The caller's key, where the operation has exactly one. */
  key?: string;

  constructor(code: ErrorCode, message: string, details?: Details) {
    super(withoutArguments(message), discreet(details));
    this.name = new.target.name;
    this.code = code;
  }
}

/** The operation did not settle within `timeout` milliseconds; whatever Redis still does with it is ignored. */
export class TimeoutError extends CacheError {
  constructor(
    readonly timeout: number,
    what = 'no answer from Redis',
  ) {
    super('ERR_TIMEOUT', `${what} within ${timeout} ms`);
  }
}

/** There is no usable connection to Redis: refused, lost, or not authenticated. */
export class ConnectionError extends CacheError {
  constructor(message: string, details?: Details, code: ErrorCode = 'ERR_CONNECTION') {
    super(code, message, details);
  }
}

/** Redis refuses the user or the password (NOAUTH, WRONGPASS). */
export class AuthenticationError extends ConnectionError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_AUTH');
  }
}

/** Redis has as many clients as its `maxclients` allows. */
export class TooManyClientsError extends ConnectionError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_MAX_CLIENTS');
  }
}

/** Redis did not answer lately: the breaker is open, and nothing was sent. The failure that opened it is the `cause`. */
export class BreakerOpenError extends ConnectionError {
  constructor(cause?: unknown) {
    super(`Redis is not asked for now: ${cause instanceof Error ? cause.message : 'it did not answer'}`, { cause }, 'ERR_BREAKER_OPEN');
  }
}

/** `maxPending` operations were under way already; nothing was sent. */
export class OverloadedError extends CacheError {
  constructor(readonly maxPending: number) {
    super('ERR_OVERLOADED', `${maxPending} operations are under way already, which is all that \`maxPending\` allows`);
  }
}

/** The caller gave up by its AbortSignal, whose `reason` is the `cause`. Always rejects, whatever `onFailure` says. */
export class AbortedError extends CacheError {
  constructor(reason: unknown) {
    super('ERR_ABORTED', 'the operation was aborted by its caller', { cause: reason });
  }
}

/** The store was disconnected by its owner. */
export class ClosedError extends CacheError {
  constructor() {
    super('ERR_CLOSED', 'the store is disconnected');
  }
}

/** Every connection of the pool stayed busy for the pool's own `timeout`. */
export class PoolTimeoutError extends CacheError {
  constructor(
    readonly timeout: number,
    readonly max: number,
  ) {
    super('ERR_POOL_TIMEOUT', `waited ${timeout} ms for a connection, all ${max} of the pool are in use`);
  }
}

/** A value could not be turned into bytes, or stored bytes could not be turned into a value. */
export class CodecError extends CacheError {
  constructor(message: string, details?: Details) {
    super('ERR_CODEC', message, details);
  }
}

/** Redis answered the command with an error, kept as `cause`. */
export class CommandError extends CacheError {
  constructor(message: string, details?: Details, code: ErrorCode = 'ERR_COMMAND') {
    super(code, message, details);
  }
}

/** Redis cannot answer for now: it is loading, busy with a script, or its cluster is not whole (LOADING, BUSY, CLUSTERDOWN, MASTERDOWN, TRYAGAIN). */
export class UnavailableError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_UNAVAILABLE');
  }
}

/** A write went to a replica, such as the old primary after a failover (READONLY). The connection is replaced. */
export class ReadOnlyError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_READONLY');
  }
}

/** Redis is at its `maxmemory` and evicts nothing (OOM). */
export class OutOfMemoryError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_OUT_OF_MEMORY');
  }
}

/** Redis takes no writes: it cannot save to disk, or has too few replicas (MISCONF, NOREPLICAS). */
export class WriteRefusedError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_WRITE_REFUSED');
  }
}

/** The ACL of the user does not allow this (NOPERM). */
export class PermissionError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_PERMISSION');
  }
}

/** The key belongs to another node of a cluster (MOVED, ASK, CROSSSLOT): the store wants the option `cluster`. */
export class RedirectError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_REDIRECT');
  }
}

/** The value is over the server's `proto-max-bulk-len`. Redis closes the connection over it, which then comes back. */
export class TooLargeError extends CommandError {
  constructor(message: string, details?: Details) {
    super(message, details, 'ERR_TOO_LARGE');
  }
}

/** The operation needs a key that is not there. */
export class MissingKeyError extends CacheError {
  constructor() {
    super('ERR_MISSING_KEY', 'the key does not exist');
  }
}

/** The store was set up in a way that cannot do this. */
export class UnsupportedError extends CacheError {
  constructor(message: string) {
    super('ERR_UNSUPPORTED', message);
  }
}

/** A caller of `getOrSet` waited for `hardTimeout` milliseconds. The function goes on, and what it gives is stored. */
export class FactoryTimeoutError extends CacheError {
  constructor(readonly hardTimeout: number) {
    super('ERR_FACTORY_TIMEOUT', `the function gave nothing within ${hardTimeout} ms`);
  }
}

/** The function of `getOrSet` failed where no caller waits for it any more. What it threw is the `cause`. Only ever emitted. */
export class RefreshError extends CacheError {
  constructor(cause: unknown) {
    super('ERR_REFRESH', 'the function failed in the background', { cause });
  }
}

/** Somebody else has the lock (`held`), or this holder no longer has it (`lost`): it lapsed, or was deleted. */
export class LockError extends CacheError {
  constructor(
    readonly reason: 'held' | 'lost',
    details?: Details,
  ) {
    const held = reason === 'held';
    super(held ? 'ERR_LOCK_HELD' : 'ERR_LOCK_LOST', held ? 'somebody else holds the lock' : 'the lock is no longer ours', details);
  }
}

/** An option that cannot be understood: thrown at construction, in words that say what was expected and what came. */
export class OptionError extends TypeError {
  readonly code: ErrorCode = 'ERR_OPTION';
  override readonly name = 'OptionError';
}

/**
 * An argument of a call that makes no sense, such as a negative time to live. On a store the call rejects, whatever `onFailure` says;
 * under Keyv the value is not stored. The `error` event tells either way.
 */
export class ArgumentError extends TypeError {
  readonly code: ErrorCode = 'ERR_ARGUMENT';
  override readonly name = 'ArgumentError';
  /** The method that was called, such as `set`. */
  operation?: string;
  /** The caller's key, if the operation has exactly one. */
  key?: string;
}

/** A function in the options failed. The operation fails by its failure policy, unlike for a wrong argument. @internal */
export function functionFailed(option: string, cause: unknown): CacheError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CacheError('ERR_OPTION', `the function in the option \`${option}\` failed: ${why}`, { cause });
}

/** How a wrong value is shown in an error message: its type and, where short and harmless, itself. */
/** @internal */
export function shown(value: unknown): string {
  // A URL may hold a password.
  if (typeof value === 'string')
    return value.length > 40 || /:\/\/|@/.test(value) ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/** ``expected `pool.max` to be an integer ≥ 1, got `0` `` */
export function expected(name: string, what: string, got: unknown): string {
  return `expected \`${name}\` to be ${what}, got \`${shown(got)}\``;
}
