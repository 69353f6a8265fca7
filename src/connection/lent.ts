import { AbortedError, TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Argument, Caller, Connection, Reply, Route, Status } from './connection.js';
import type { Call } from './deadlines.js';

/**
 * A connection for one call: once that has ended (its deadline passed, its caller gave up), nothing more is sent for it. Who was
 * told that a write failed can count on it not to be sent after that.
 */
export class Lent implements Connection, Caller {
  readonly timeout: Milliseconds;
  readonly #connection: Connection;
  readonly #call: Call;
  readonly #signal: AbortSignal | undefined;
  /** Whoever has it from us, where pools stand one in front of the other. */
  #behind: Caller | undefined;

  constructor(connection: Connection, call: Call, timeout: Milliseconds, signal: AbortSignal | undefined) {
    this.#connection = connection;
    this.#call = call;
    this.#signal = signal;
    this.timeout = timeout;
  }

  get waiting(): boolean {
    return this.#call.reject !== undefined && !this.#signal?.aborted && this.#behind?.waiting !== false;
  }

  get status(): Status {
    return this.#connection.status;
  }

  get client(): unknown {
    return this.#connection.client;
  }

  get primaries(): Connection['primaries'] {
    return this.#connection.primaries?.bind(this.#connection);
  }

  ready(): Promise<void> {
    return this.#connection.ready();
  }

  send(args: readonly Argument[], route?: Route, behind?: Caller): Promise<Reply> {
    if (behind) this.#behind = behind;
    if (!this.waiting) return Promise.reject(this.#over());
    const { status } = this.#connection;
    if (status !== 'idle' && status !== 'connecting') return this.#connection.send(args, route, this);
    return this.#connection.ready().then(() => {
      if (!this.waiting) throw this.#over();
      return this.#connection.send(args, route, this);
    });
  }

  close(grace: Milliseconds): Promise<void> {
    return this.#connection.close(grace);
  }

  #over(): Error {
    return this.#signal?.aborted ? new AbortedError(this.#signal.reason) : new TimeoutError(this.timeout);
  }
}
