/** Stable codes of every error that redis-tier creates. Match on these, never on message text. */
export type ErrorCode =
  | 'ERR_OPTION'
  | 'ERR_ARGUMENT'
  | 'ERR_TIMEOUT'
  | 'ERR_CONNECTION'
  | 'ERR_CLOSED'
  | 'ERR_POOL_TIMEOUT'
  | 'ERR_CODEC'
  | 'ERR_COMMAND'
  | 'ERR_MISSING_KEY'
  | 'ERR_UNSUPPORTED';

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
    super(message, details);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The operation did not settle within `timeout` milliseconds; whatever Redis still does with it is ignored. */
export class TimeoutError extends CacheError {
  constructor(readonly timeout: number) {
    super('ERR_TIMEOUT', `no answer from Redis within ${timeout} ms`);
  }
}

/** There is no usable connection to Redis: refused, lost, or not authenticated. */
export class ConnectionError extends CacheError {
  constructor(message: string, details?: Details) {
    super('ERR_CONNECTION', message, details);
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
  constructor(message: string, details?: Details) {
    super('ERR_COMMAND', message, details);
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

/** An option that cannot be understood: thrown at construction, in words that say what was expected and what came. */
export class OptionError extends TypeError {
  readonly code: ErrorCode = 'ERR_OPTION';
  override readonly name = 'OptionError';
}

/** An argument of a call that makes no sense, such as a negative time to live. Always rejects, whatever `onFailure` says. */
export class ArgumentError extends TypeError {
  readonly code: ErrorCode = 'ERR_ARGUMENT';
  override readonly name = 'ArgumentError';
}

/** How a wrong value is shown in an error message: its type and, where short and harmless, itself. */
/** @internal */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/** ``expected `pool.max` to be an integer ≥ 1, got `0` `` */
export function expected(name: string, what: string, got: unknown): string {
  return `expected \`${name}\` to be ${what}, got \`${shown(got)}\``;
}
