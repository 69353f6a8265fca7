import { ClosedError, CommandError, ConnectionError, OverloadedError, type TimeoutError, UnavailableError } from '../errors.js';
import type { BreakerState } from '../telemetry/events.js';
import { performance } from '../time/clock.js';
import { waitAtMost } from '../time/deadlines.js';
import { abortable } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import { Breaker, type BreakerOptions } from './breaker.js';
import { BorrowedConnection, type Bounds, Call, type CallRecorder } from './call.js';
import type { Answer, Argument, Connection, Status } from './connection.js';
import type { Outcomes } from './outcomes.js';
import { type Pool, SharedConnection } from './pools.js';

/** The bounds of all calls. */
export interface GuardOptions {
  /** The deadline of a call, in milliseconds. */
  readonly timeout: Milliseconds;
  readonly breaker: BreakerOptions | false;
  /** How many calls may be under way. */
  readonly maxPending: number;
  readonly onBreaker?: ((state: BreakerState, cause: unknown) => void) | undefined;
}

/** Bounds for some calls, in place of the store's. */
export interface CallBounds {
  /** The deadline. */
  readonly timeout?: Milliseconds | undefined;
  /** Aborts the call. A command that was sent already is executed. */
  readonly signal?: AbortSignal | undefined;
}

/** A pool, and how a {@link GuardedPool} sends commands that are all of a call. */
export type CommandPool = Pool & Partial<Pick<GuardedPool, 'sendAlone' | 'sendEach'>>;

type Work<T> = (connection: Connection) => Promise<T>;

/**
 * Gives every call of the pool a deadline, for waiting for a connection, connecting and waiting for the reply together. Rejects calls while
 * the breaker is open, and bounds how many are under way. Late replies are dropped. Closing waits for calls under way, and closes the pool
 * only if it is `owned`.
 */
export class GuardedPool implements Pool, CallRecorder {
  readonly #pool: Pool;
  /** The connection of all calls, if there is one for good. */
  readonly #shared: Connection | undefined;
  readonly #options: GuardOptions;
  readonly #bounds: Bounds;
  readonly #owned: boolean;
  readonly #breaker: Breaker | undefined;
  #pending = 0;
  #replies = 0;
  #failedAt = Number.NEGATIVE_INFINITY;
  #onDrained: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(pool: Pool, options: GuardOptions, owned = true) {
    this.#pool = pool;
    this.#shared = pool instanceof SharedConnection ? pool.connection : undefined;
    this.#options = options;
    this.#bounds = { timeout: options.timeout, signal: undefined, probe: false };
    this.#owned = owned;
    if (options.breaker === false) return;
    this.#breaker = new Breaker(options.breaker, options.timeout, () => pool.status ?? 'idle', options.onBreaker);
  }

  get status(): Status {
    return this.#closing ? 'closed' : (this.#pool.status ?? 'idle');
  }

  get breaker(): BreakerState {
    return this.#breaker?.state ?? 'closed';
  }

  /** How many calls are under way. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * When Redis last failed, on the monotonic clock; `-Infinity` for never. It failed if nothing was answered during all the time of a
   * call, if a connection was lost under a call, or if a node replied that it cannot serve.
   */
  get failedAt(): Milliseconds {
    return this.#failedAt;
  }

  get client(): unknown {
    return this.#pool.client;
  }

  use<T>(work: Work<T>, bounds = this.#bounds): Promise<T> {
    const error = this.#reasonAgainst();
    return error === undefined ? this.#run(work, bounds, this.#isTrying) : Promise.reject(error);
  }

  /** Sends the only command of a call: no connection is lent for it. `undefined` unless all calls share one connection, which is ready. */
  sendAlone<T>(args: readonly Argument[], answer: Answer<T>): Promise<T> | undefined {
    return this.#sendWith((call, connection) => call.send(connection, args, answer));
  }

  /** The same for several commands: one promise for all of them. */
  sendEach(commands: readonly (readonly Argument[])[]): Promise<Outcomes> | undefined {
    return this.#sendWith((call, connection) => call.sendEach(connection, commands));
  }

  #sendWith<T>(send: (call: Call, connection: Connection) => Promise<T>): Promise<T> | undefined {
    const connection = this.#shared;
    if (connection?.sendFor === undefined || connection.status !== 'ready') return undefined;
    const error = this.#reasonAgainst();
    if (error !== undefined) return Promise.reject(error);
    this.#pending++;
    return send(new Call(this, this.#bounds, this.#replies, this.#isTrying), connection);
  }

  /** Like `use`, but bypasses the breaker: a health check. */
  probe<T>(work: Work<T>): Promise<T> {
    return this.#closing ? Promise.reject(new ClosedError()) : this.#run(work, { ...this.#bounds, probe: true }, false);
  }

  /** The same pool with other bounds for its calls. */
  withBounds({ timeout = this.#options.timeout, signal }: CallBounds): Pool {
    const bounds = { timeout, signal, probe: false };
    return {
      use: (work) => (signal ? abortable(signal, () => this.use(work, bounds)) : this.use(work, bounds)),
      close: async () => {},
    };
  }

  close(grace: Milliseconds): Promise<void> {
    this.#closing ??= this.#drainAndClose(grace);
    return this.#closing;
  }

  succeeded(call: Call): void {
    const inTime = this.#end(call);
    if (call.bounds.probe) return;
    if (!inTime) {
      this.#breaker?.answeredLate();
      return;
    }
    this.#replies++;
    this.#breaker?.answered(call.isTrial);
  }

  failed(call: Call, error: unknown): void {
    const inTime = this.#end(call);
    const { probe } = call.bounds;
    const isReply = error instanceof CommandError && !(error instanceof UnavailableError);
    if (!inTime) {
      if (!probe && isReply) this.#breaker?.answeredLate();
      return;
    }
    const answered = this.#replies - call.begunAt;
    if (!probe && isReply) this.#replies++;
    if (error instanceof ConnectionError || error instanceof UnavailableError) this.#failedAt = performance.now();
    if (!probe) this.#breaker?.failed(error, answered, call.isTrial);
  }

  expired(call: Call, error: TimeoutError): void {
    this.#ended();
    const { probe, timeout } = call.bounds;
    if (probe) return;
    const answered = this.#replies - call.begunAt;
    // A shorter deadline than the store's proves nothing.
    if (timeout < this.#options.timeout) {
      this.#breaker?.abandoned(call.isTrial);
      return;
    }
    if (answered === 0) this.#failedAt = performance.now();
    this.#breaker?.failed(error, answered, call.isTrial);
  }

  /** Why a call must not begin. */
  #reasonAgainst(): Error | undefined {
    if (this.#closing) return new ClosedError();
    const { maxPending } = this.#options;
    return this.#pending >= maxPending ? new OverloadedError(maxPending) : this.#breaker?.check();
  }

  /** Whether the call that was not refused is a trial of the breaker. */
  get #isTrying(): boolean {
    return this.#breaker?.state === 'half-open';
  }

  #run<T>(work: Work<T>, bounds: Bounds, isTrial: boolean): Promise<T> {
    this.#pending++;
    const call = new Call(this, bounds, this.#replies, isTrial);
    let result: Promise<T>;
    try {
      result = this.#pool.use((connection) => work(new BorrowedConnection(connection, call)));
    } catch (error) {
      result = Promise.reject(error);
    }
    return call.boundedBy(result);
  }

  /** @returns whether the deadline of the call had not passed */
  #end(call: Call): boolean {
    const inTime = call.deadline.cancel();
    if (inTime) this.#ended();
    return inTime;
  }

  #ended(): void {
    if (--this.#pending === 0) this.#onDrained?.();
  }

  async #drainAndClose(grace: Milliseconds): Promise<void> {
    const start = performance.now();
    if (this.#pending > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
      await waitAtMost(drained, grace);
    }
    if (this.#owned) await this.#pool.close(Math.max(0, grace - (performance.now() - start)));
  }
}
