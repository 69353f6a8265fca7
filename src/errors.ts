import { type ConnectionPhase, type ErrorCode, lockFailures } from './error-codes.js';
import { printable, shownCause, shownMessage } from './messages.js';

export { ArgumentError, OptionError } from './argument-errors.js';
export type { ConnectionPhase, ErrorCode };

/** `cause`: the error that caused this one. */
type Details = { readonly cause?: unknown };

/** The parent of every error that an operation rejects with or emits. It never holds a value or a password. */
export class CacheError extends Error {
  readonly code: ErrorCode;
  /** The method that failed, such as `get` or `delPattern`. */
  operation?: string;
  /** The caller's key, if the operation has exactly one. */
  key?: string;
  /** Of a deletion of several keys: those of the caller's that it did not reach, or perhaps not. The others were deleted. */
  declare keys?: readonly string[];

  constructor(code: ErrorCode, message: string, details?: Details) {
    super(shownMessage(message), details);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The operation did not settle within `timeout` milliseconds. A late answer of Redis is ignored. */
export class TimeoutError extends CacheError {
  /** How far the connection was, if the operation waited for one. */
  declare readonly phase?: ConnectionPhase;

  constructor(
    readonly timeout: number,
    what = 'no answer from Redis',
    { hint, phase }: { readonly hint?: string | undefined; readonly phase?: ConnectionPhase | undefined } = {},
  ) {
    super('ERR_TIMEOUT', `${what} within ${timeout} ms${hint === undefined ? '' : `. ${hint}`}`);
    if (phase !== undefined) this.phase = phase;
  }
}

/** `where`: of which connection it tells. */
type ConnectionDetails = Details & {
  readonly where?: { readonly address?: string | undefined; readonly phase?: ConnectionPhase | undefined } | undefined;
};

/** No connection to Redis is usable: refused, lost, not authenticated. ERR_UNSUPPORTED if Redis refuses a command that begins a session. */
export class ConnectionError extends CacheError {
  /** How far the connection was, if that is known. */
  declare readonly phase?: ConnectionPhase;
  /** `host:port` or the path of a socket, if one server is meant. Left out if it is not a plain one, which may hold a secret. */
  declare readonly address?: string;

  constructor(message: string, { where, ...details }: ConnectionDetails = {}, code: ErrorCode = 'ERR_CONNECTION') {
    super(code, message, shownCause(details));
    if (where?.phase !== undefined) this.phase = where.phase;
    if (where?.address !== undefined) this.address = where.address;
  }
}

/** Redis refused the user or the password (NOAUTH, WRONGPASS). */
export class AuthenticationError extends ConnectionError {
  override readonly code: ErrorCode = 'ERR_AUTH';
}

/** Redis has as many clients as its `maxclients` allows. */
export class TooManyClientsError extends ConnectionError {
  override readonly code: ErrorCode = 'ERR_MAX_CLIENTS';
}

/** The circuit breaker is open: the command was not sent. The `cause` is the failure that opened the breaker. */
export class BreakerOpenError extends ConnectionError {
  override readonly code: ErrorCode = 'ERR_BREAKER_OPEN';

  constructor(cause?: unknown) {
    super(`the circuit breaker is open: ${cause instanceof Error ? cause.message : 'Redis did not answer'}`, { cause });
  }
}

/**
 * The network takes less than is written, or Redis answers too late: the command waited for half of `timeout`, or `maxPendingBytes` wait
 * already. It was not sent.
 */
export class BackpressureError extends ConnectionError {
  override readonly code: ErrorCode = 'ERR_BACKPRESSURE';

  /** `waited`: whether the command waited for the network, and was not refused at once. */
  constructor(
    reason: string,
    readonly waited = false,
  ) {
    super(`Redis takes less than is written: ${reason}`);
  }
}

/** As many operations were pending already as `maxPending` or node-redis's `commandsQueueMaxLength` allows: the command was not sent. */
export class OverloadedError extends CacheError {
  constructor(
    readonly maxPending: number,
    option = 'maxPending',
  ) {
    super('ERR_OVERLOADED', `${maxPending} operations are pending already, the limit that \`${option}\` sets`);
  }
}

/** The caller aborted the operation by its AbortSignal, whose `reason` is the `cause`. Rejects under every `onFailure`. */
export class AbortedError extends CacheError {
  constructor(reason: unknown) {
    super('ERR_ABORTED', 'the caller aborted the operation', { cause: reason });
  }
}

/** The operation was called after `disconnect`. */
export class ClosedError extends CacheError {
  constructor() {
    super('ERR_CLOSED', 'the store is disconnected');
  }
}

/** Every connection of the pool stayed busy for the pool's own `timeout` in milliseconds. */
export class PoolTimeoutError extends CacheError {
  constructor(
    readonly timeout: number,
    readonly max: number,
  ) {
    super('ERR_POOL_TIMEOUT', `waited ${timeout} ms for a connection, all ${max} of the pool are in use`);
  }
}

/** A value could not be encoded, or stored bytes could not be decoded. */
export class CodecError extends CacheError {
  constructor(message: string, details?: Details) {
    super('ERR_CODEC', message, details);
  }
}

/** A stored entry under `encryption` is not what a store wrote there: it was changed, copied from elsewhere, or never encrypted. */
export class TamperedError extends CodecError {
  override readonly code: ErrorCode = 'ERR_TAMPERED';
}

/** A value is larger than an option allows, or holds more: `maxValueSize`, `maxContainers`, `maxDecompressedSize`. */
export class LimitError extends CodecError {
  override readonly code: ErrorCode = 'ERR_LIMIT';
}

/** A value does not match the schema of a typed view: a stored one, which is a miss then, or one that was to be stored. */
export class SchemaError extends CodecError {
  override readonly code: ErrorCode = 'ERR_SCHEMA';
  /** The places that do not match, such as `address.street`; `''` for the value itself. */
  readonly places: readonly string[];
  /** What the schema says of a value that was to be stored. Left out for stored values: it may quote them. */
  declare readonly issues?: readonly SchemaIssue[];

  constructor(places: readonly string[], issues?: readonly SchemaIssue[]) {
    const where = [...new Set(places.filter((place) => place !== ''))].map((place) => printable(place)).slice(0, 10);
    super(`the value does not match its schema${where.length > 0 ? `: ${where.join(', ')}` : ''}`);
    this.places = places;
    if (issues) this.issues = issues;
  }
}

/** What a Standard Schema says of a place that does not match. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Redis answered the command with an error, which is the `cause`. */
export class CommandError extends CacheError {
  constructor(message: string, details?: Details) {
    super('ERR_COMMAND', message, shownCause(details));
  }
}

/** Redis is loading, busy with a script, or its cluster is incomplete (LOADING, BUSY, CLUSTERDOWN, MASTERDOWN, TRYAGAIN). */
export class UnavailableError extends CommandError {
  override readonly code: ErrorCode = 'ERR_UNAVAILABLE';
}

/** A write went to a replica, such as the old primary after a failover (READONLY). The store then reconnects. */
export class ReadOnlyError extends CommandError {
  override readonly code: ErrorCode = 'ERR_READONLY';
}

/** Redis reached its `maxmemory` and cannot evict (OOM). */
export class OutOfMemoryError extends CommandError {
  override readonly code: ErrorCode = 'ERR_OUT_OF_MEMORY';
}

/** Redis refuses writes: it cannot save to disk, or has too few replicas (MISCONF, NOREPLICAS). */
export class WriteRefusedError extends CommandError {
  override readonly code: ErrorCode = 'ERR_WRITE_REFUSED';
}

/** The ACL of the user forbids the command or the key (NOPERM). */
export class PermissionError extends CommandError {
  override readonly code: ErrorCode = 'ERR_PERMISSION';
}

/** The key belongs to another node of a cluster (MOVED, ASK, CROSSSLOT): set the option `cluster`. */
export class RedirectError extends CommandError {
  override readonly code: ErrorCode = 'ERR_REDIRECT';
}

/** The value is larger than the server's `proto-max-bulk-len`. Redis then closes the connection, and the store reconnects. */
export class TooLargeError extends CommandError {
  override readonly code: ErrorCode = 'ERR_TOO_LARGE';
}

/** The operation needs a key that does not exist. */
export class MissingKeyError extends CacheError {
  constructor() {
    super('ERR_MISSING_KEY', 'the key does not exist');
  }
}

/** The options of the store do not support the operation, or Redis refuses a command that it needs. The message says what to do. */
export class UnsupportedError extends CacheError {
  constructor(message: string) {
    super('ERR_UNSUPPORTED', message);
  }
}

/** A caller of `getOrSet` waited for `hardTimeout` milliseconds. The function still runs, and its result is stored. */
export class FactoryTimeoutError extends CacheError {
  constructor(readonly hardTimeout: number) {
    super('ERR_FACTORY_TIMEOUT', `the function gave no value within ${hardTimeout} ms`);
  }
}

/** The function of `getOrSet` failed after its last caller left. What it threw is the `cause`. Emitted, never thrown. */
export class RefreshError extends CacheError {
  constructor(cause: unknown) {
    super('ERR_REFRESH', 'the function failed in the background', { cause });
  }
}

/** Another holder has the lock (`held`), this one lost it (`lost`), or its fencing tokens cannot rise: their key holds something else (`fence`). */
export class LockError extends CacheError {
  constructor(
    readonly reason: 'held' | 'lost' | 'fence',
    details?: Details,
  ) {
    const [code, message] = lockFailures[reason];
    super(code, message, details);
  }
}
