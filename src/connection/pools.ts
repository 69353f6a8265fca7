import { ClosedError, expected, OptionError, PoolTimeoutError } from '../errors.js';
import { onlyKnown } from '../known-names.js';
import { type Milliseconds, maxTimerDelay } from '../ttl.js';
import type { Connection, OpenConnection, Status } from './connection.js';
import { bestStatus, type Pool } from './pool.js';

/** One connection for everybody, the default. Redis answers in order, so commands of many callers share it without waiting for each other. */
export class SharedConnection implements Pool {
  readonly #connection: Connection;

  constructor(open: OpenConnection, kwargs: object = {}) {
    onlyKnown('pool', kwargs, {});
    this.#connection = open();
  }

  get status(): Status {
    return this.#connection.status;
  }

  get client(): unknown {
    return this.#connection.client;
  }

  use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return work(this.#connection);
  }

  close(grace: Milliseconds): Promise<void> {
    return this.#connection.close(grace);
  }
}

export interface RoundRobinOptions {
  /** How many connections, ≥ 1. Default 4. */
  readonly size?: number | undefined;
}

/**
 * Several shared connections, taken in turn: isolates callers from each other's large values. What is sent on different
 * connections has no order: a read sees a write only when it was asked after the write was answered.
 */
export class RoundRobinPool implements Pool {
  readonly #connections: readonly Connection[];
  #next = 0;

  constructor(open: OpenConnection, kwargs: RoundRobinOptions = {}) {
    onlyKnown('pool', kwargs, { size: true } satisfies Record<keyof RoundRobinOptions, true>);
    const { size = 4 } = kwargs;
    atLeastOne('pool.size', size);
    this.#connections = Array.from({ length: size }, open);
  }

  get status(): Status {
    return bestStatus(this.#connections, 'idle');
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

export interface BlockingOptions {
  /** How many connections at most, ≥ 1. Default 10. They are opened as they are needed. */
  readonly max?: number | undefined;
  /** How long a call may wait for one, in milliseconds. Default 500. */
  readonly timeout?: Milliseconds | undefined;
}

interface Waiter {
  give(connection: Connection): void;
  fail(error: Error): void;
}

/** Connections lent to one caller at a time. For isolation, not for speed: see the documentation before choosing it. */
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
    const { max = 10, timeout = 500 } = kwargs;
    atLeastOne('pool.max', max);
    if (!(typeof timeout === 'number' && timeout >= 0 && timeout <= maxTimerDelay)) {
      throw new OptionError(expected('pool.timeout', `a number of milliseconds ≥ 0 and ≤ ${maxTimerDelay}`, timeout));
    }
    this.#open = open;
    this.#max = max;
    this.#timeout = timeout;
  }

  get status(): Status {
    return this.#closed ? 'closed' : bestStatus(this.#all, 'idle');
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
    for (const waiter of this.#waiters) waiter.fail(new ClosedError());
    await Promise.all(this.#all.map((connection) => connection.close(grace)));
  }

  #take(): Connection | undefined {
    if (this.#closed) throw new ClosedError();
    const usable = this.#idle.findLastIndex(({ status }) => status !== 'reconnecting');
    if (usable !== -1) return this.#idle.splice(usable, 1)[0];
    // One that is down fails its caller at once, which is better than to wait for one that is busy.
    if (this.#all.length === this.#max) return this.#idle.pop();
    const opened = this.#open();
    this.#all.push(opened);
    return opened;
  }

  #wait(): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        give(connection) {
          settle();
          resolve(connection);
        },
        fail(error) {
          settle();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiter.fail(new PoolTimeoutError(this.#timeout, this.#max)), this.#timeout);
      this.#waiters.add(waiter);
    });
  }

  #giveBack(connection: Connection): void {
    const [next] = this.#waiters;
    if (next) next.give(connection);
    else this.#idle.push(connection);
  }
}

function atLeastOne(name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 1) throw new OptionError(expected(name, 'an integer ≥ 1', value));
}
