/** The stable codes of the errors that redis-tier creates. Match on these, never on message text. */
export type ErrorCode =
  | 'ERR_OPTION'
  | 'ERR_ARGUMENT'
  | 'ERR_TIMEOUT'
  | 'ERR_ABORTED'
  | 'ERR_CONNECTION'
  | 'ERR_AUTH'
  | 'ERR_MAX_CLIENTS'
  | 'ERR_BREAKER_OPEN'
  | 'ERR_BACKPRESSURE'
  | 'ERR_OVERLOADED'
  | 'ERR_CLOSED'
  | 'ERR_POOL_TIMEOUT'
  | 'ERR_CODEC'
  | 'ERR_TAMPERED'
  | 'ERR_LIMIT'
  | 'ERR_SCHEMA'
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
  | 'ERR_LOCK_LOST'
  | 'ERR_LOCK_FENCE';

/**
 * How far a connection was when it failed: the name of the host was being resolved, the socket was connecting, TLS or the session was being
 * set up (HELLO, AUTH, SELECT), or it was in use.
 */
export type ConnectionPhase = 'resolving' | 'connecting' | 'tls' | 'handshake' | 'use';

/** Why a lock failed: the code, and the message. */
export const lockFailures = {
  held: ['ERR_LOCK_HELD', 'another holder has the lock'],
  lost: ['ERR_LOCK_LOST', 'this holder lost the lock'],
  fence: ['ERR_LOCK_FENCE', 'the key of its fencing tokens (`…#f:…`) holds something else, and none would rise: delete that key'],
} as const;
