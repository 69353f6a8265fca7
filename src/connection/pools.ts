import { check, checkInteger, onlyKnown } from '../checks.js';
import { ClosedError, PoolTimeoutError } from '../errors.js';
import { after } from '../time/deadlines.js';
import { type Duration, type Milliseconds, maxTimerDelay, milliseconds } from '../ttl.js';
import type { Connection, OpenConnection, Status } from './connection.js';

/**
 * Lends connections by callback, so that callers cannot forget to return them.
 * For a pool class of your own, write a constructor `(open, kwargs)` and these two methods.
 */
export interface Pool {
  /** Runs `work` with a connection and settles as it does. */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Waits at most `grace` milliseconds for commands in flight, and closes every connection. Idempotent. */
  close(grace: Milliseconds): Promise<void>;
  /** The state of the connection, or the best state among several. */
  readonly status?: Status;
  /** The node-redis client, if the pool has exactly one. */
  readonly client?: unknown;
}

/** A class for `pool: { class, ...kwargs }`. `open` creates one more connection; `kwargs` is everything but `class`. */
// biome-ignore lint/suspicious/noExplicitAny: the kwargs are the class's own
export type PoolClass = new (open: OpenConnection, kwargs: any) => Pool;

/** The option `pool`, such as `{ class: RoundRobinPool, size: 4 }`. */
export interface PoolOptions {
  /** A pool of this package, or your own. Required. */
  readonly class: PoolClass;
  readonly [kwarg: string]: unknown;
}

const order: readonly Status[] = ['ready', 'connecting', 'idle', 'reconnecting', 'closed'];

/** The best state among several connections. */
function bestStatus(connections: readonly Connection[]): Status {
  return order.find((status) => connections.some((connection) => connection.status === status)) ?? 'idle';
}

/** One connection for all callers, the default. Redis answers in order, so their commands are pipelined without waiting for each other. */
export class SharedConnection implements Pool {
  /** @internal */
  readonly connection: Connection;

  constructor(open: OpenConnection, kwargs: object = {}) {
    onlyKnown('pool', kwargs, {});
    this.connection = open();
  }

  get status(): Status {
    return this.connection.status;
  }

  get client(): unknown {
    return this.connection.client;
  }

  use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return work(this.connection);
  }

  close(grace: Milliseconds): Promise<void> {
    return this.connection.close(grace);
  }
}

/** The arguments of {@link RoundRobinPool}. */
export interface RoundRobinOptions {
  /** Number of connections, ≥ 1. Default 4. */
  readonly size?: number | undefined;
}

/**
 * Several shared connections, taken in turn: isolates callers from each other's large values. Commands on different connections have no
 * order: a read is only sure to see a write that was answered before.
 */
export class RoundRobinPool implements Pool {
  readonly #connections: readonly Connection[];
  #next = 0;

  constructor(open: OpenConnection, kwargs: RoundRobinOptions = {}) {
    onlyKnown('pool', kwargs, { size: true } satisfies Record<keyof RoundRobinOptions, true>);
    const { size = 4 } = kwargs;
    checkInteger('pool.size', size);
    this.#connections = Array.from({ length: size }, open);
  }

  get status(): Status {
    return bestStatus(this.#connections);
  }

  use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const { length } = this.#connections;
    const first = this.#next;
    this.#next = (first + 1) % length;
    for (let i = 0; i < length; i++) {
      const connection = this.#connections[(first + i) % length] as Connection;
      if (connection.status !== 'reconnecting') return work(connection);
    }
    return work(this.#connections[first] as Connection);
  }

  async close(grace: Milliseconds): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close(grace)));
  }
}

/** The arguments of {@link BlockingPool}. */
export interface BlockingOptions {
  /** Maximum number of connections, ≥ 1, opened as needed. Default 10. */
  readonly max?: number | undefined;
  /** How long a call may wait for a connection, in milliseconds. Default 500. */
  readonly timeout?: Duration | undefined;
}

/** Takes a connection, or the failure of the wait. */
type Waiter = (answer: Connection | Promise<never>) => void;

/** Lends each connection to one caller at a time. For isolation, not for speed: see the documentation before choosing it. */
export class BlockingPool implements Pool {
  readonly #open: OpenConnection;
  readonly #max: number;
  readonly #timeout: Milliseconds;
  readonly #all: Connection[] = [];
  readonly #idle: Connection[] = [];
  readonly #waiters = new Set<Waiter>();
  #closed = false;

  constructor(open: OpenConnection, kwargs: BlockingOptions = {}) {
    onlyKnown('pool', kwargs, { max: true, timeout: true } satisfies Record<keyof BlockingOptions, true>);
    const { max = 10 } = kwargs;
    const timeout = milliseconds(kwargs.timeout, 500);
    checkInteger('pool.max', max);
    const isDelay = typeof timeout === 'number' && timeout >= 0 && timeout <= maxTimerDelay;
    check('pool.timeout', `a number of milliseconds ≥ 0 and ≤ ${maxTimerDelay}`, timeout, isDelay);
    this.#open = open;
    this.#max = max;
    this.#timeout = timeout;
  }

  get status(): Status {
    return this.#closed ? 'closed' : bestStatus(this.#all);
  }

  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#take() ?? (await this.#wait());
    try {
      return await work(connection);
    } finally {
      this.#giveBack(connection);
    }
  }

  async close(grace: Milliseconds): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter(Promise.reject(new ClosedError()));
    await Promise.all(this.#all.map((connection) => connection.close(grace)));
  }

  #take(): Connection | undefined {
    if (this.#closed) throw new ClosedError();
    const usable = this.#idle.findLastIndex(({ status }) => status !== 'reconnecting');
    if (usable !== -1) return this.#idle.splice(usable, 1)[0];
    // A connection that is down fails its caller at once, which is better than waiting for a busy one.
    if (this.#all.length === this.#max) return this.#idle.pop();
    const opened = this.#open();
    this.#all.push(opened);
    return opened;
  }

  #wait(): Promise<Connection> {
    return new Promise((resolve) => {
      const waiter: Waiter = (answer) => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(answer);
      };
      const cancel = after(this.#timeout, () => waiter(Promise.reject(new PoolTimeoutError(this.#timeout, this.#max))));
      this.#waiters.add(waiter);
    });
  }

  #giveBack(connection: Connection): void {
    const [next] = this.#waiters;
    if (next) next(connection);
    else this.#idle.push(connection);
  }
}
