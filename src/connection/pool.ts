import type { Milliseconds } from '../ttl.js';
import type { Connection, OpenConnection, Status } from './connection.js';

/**
 * Lends connections by callback, so that giving them back cannot be forgotten.
 * A pool class of your own: a constructor `(open, kwargs)` and these two methods.
 */
export interface Pool {
  /** Runs `work` with a connection; settles as it does. */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Closes every connection, waiting for what is in flight for at most `grace` milliseconds. Idempotent. */
  close(grace: Milliseconds): Promise<void>;
  /** The state of the connections, the best of them where there are several. */
  readonly status?: Status;
  /** node-redis's client, where the pool has exactly one to show. */
  readonly client?: unknown;
}

/** A pool class: what `pool: { class, ...kwargs }` takes. `open` makes one more connection, `kwargs` is everything but `class`. */
// biome-ignore lint/suspicious/noExplicitAny: the kwargs are the class's own
export type PoolClass = new (open: OpenConnection, kwargs: any) => Pool;

/** `pool: { class: RoundRobinPool, size: 4 }` */
export interface PoolOptions {
  readonly class: PoolClass;
  readonly [kwarg: string]: unknown;
}

const order: readonly Status[] = ['ready', 'connecting', 'idle', 'reconnecting', 'closed'];

/** The best state among several connections. */
export function bestStatus(connections: Iterable<Connection>, none: Status): Status {
  const present = new Set(Array.from(connections, (connection) => connection.status));
  return order.find((status) => present.has(status)) ?? none;
}
