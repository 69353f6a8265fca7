import { AbortedError, TimeoutError } from '../errors.js';
import { Deadline, type Expiring } from '../time/deadlines.js';
import { attempt } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import type { Answer, Argument, Batch, Caller, Connection, Receiver, Reply, Route, Status } from './connection.js';
import { hintOf } from './hints.js';
import { failureOf, NumberedReply, type Outcomes, Replies } from './outcomes.js';
import { redisAt, type Whereabouts } from './place.js';

export interface Bounds {
  /** The deadline in milliseconds. */
  readonly timeout: Milliseconds;
  readonly signal: AbortSignal | undefined;
  /** Bypasses the breaker, and its replies do not count. */
  readonly probe: boolean;
}

/** Records how calls end. A call may succeed or fail after its deadline, too. */
export interface CallRecorder {
  succeeded(call: Call): void;
  failed(call: Call, error: unknown): void;
  expired(call: Call, error: TimeoutError): void;
}

/** One call under way. If its result is the reply of its first command, as mostly, both are one promise, which the deadline rejects. */
export class Call implements Receiver, Expiring {
  readonly bounds: Bounds;
  /** How many replies had come in time when the call began. */
  readonly begunAt: number;
  /** Whether the circuit breaker waits for its end. */
  readonly isTrial: boolean;
  readonly deadline: Deadline;
  // Not set before they have a value, which costs less.
  declare firstBatch?: Batch;
  declare furtherBatches?: Batch[];
  readonly #recorder: CallRecorder;
  #reply: Promise<Reply> | undefined;
  #answer: Answer<unknown> | undefined;
  #sentOver: Connection | undefined;
  #resolveReply: ((reply: never) => void) | undefined;
  #rejectReply: ((error: unknown) => void) | undefined;
  #hasReply = false;
  #rejectCall: ((error: unknown) => void) | undefined;
  /** The connection that it waited for at first. */
  declare connection?: Connection;

  constructor(recorder: CallRecorder, bounds: Bounds, begunAt: number, isTrial: boolean) {
    this.#recorder = recorder;
    this.bounds = bounds;
    this.begunAt = begunAt;
    this.isTrial = isTrial;
    this.deadline = new Deadline(bounds.timeout, this);
  }

  get timeout(): Milliseconds {
    return this.bounds.timeout;
  }

  /** A command has left with it. Those of a cluster leave over several connections, any of which may be stuck. */
  set batch(batch: Batch) {
    const last = this.furtherBatches?.at(-1) ?? this.firstBatch;
    if (last === batch) return;
    if (last === undefined) this.firstBatch = batch;
    else if (this.furtherBatches) this.furtherBatches.push(batch);
    else this.furtherBatches = [batch];
  }

  get waiting(): boolean {
    return this.deadline.pending && !this.bounds.signal?.aborted;
  }

  /** The error of a command that comes too late to be sent. */
  get overError(): Error {
    const { signal, timeout } = this.bounds;
    return signal?.aborted ? new AbortedError(signal.reason) : new TimeoutError(timeout);
  }

  /** Settles as the result does, unless the deadline passes first. */
  boundedBy<T>(result: Promise<T>): Promise<T> {
    if (result === (this.#reply as unknown) && !this.#hasReply) {
      this.#rejectCall = this.#rejectReply;
      return result;
    }
    this.#reply = undefined;
    return new Promise((resolve, reject) => {
      this.#rejectCall = reject;
      result.then(
        (value) => {
          this.#recorder.succeeded(this);
          resolve(value);
        },
        (error) => {
          this.#recorder.failed(this, error);
          reject(error);
        },
      );
    });
  }

  /** Sends the only command of the call over a connection that is ready. */
  send<T>(connection: Connection, args: readonly Argument[], answer: Answer<T>): Promise<T> {
    this.#sentOver = connection;
    this.#answer = answer;
    return new Promise<T>((resolve, reject) => {
      this.#resolveReply = resolve;
      this.#rejectReply = this.#rejectCall = reject;
      connection.sendFor?.(this, args);
    });
  }

  /** Sends the commands, which are all of the call, over a connection that is ready. @returns what became of each */
  sendEach(connection: Connection, commands: readonly (readonly Argument[])[]): Promise<Outcomes> {
    return new Promise((resolve, reject) => {
      this.#rejectCall = reject;
      const replies = new Replies(commands.length, (outcomes) => {
        const failure = failureOf(outcomes);
        if (failure === undefined) this.#recorder.succeeded(this);
        else this.#recorder.failed(this, failure);
        resolve(outcomes);
      });
      for (const [i, args] of commands.entries()) connection.sendFor?.(new NumberedReply(this, replies, i), args);
    });
  }

  /** Sends the first command of the call. @returns undefined if its reply cannot be the result */
  sendFirst(connection: Connection, args: readonly Argument[]): Promise<Reply> | undefined {
    if (this.#rejectCall || this.#rejectReply || !connection.sendFor) return undefined;
    this.#reply = new Promise((resolve, reject) => {
      this.#resolveReply = resolve;
      this.#rejectReply = reject;
      connection.sendFor?.(this, args);
    });
    return this.#reply;
  }

  resolve(reply: Reply): void {
    let answer: unknown = reply;
    try {
      if (this.#answer) answer = this.#answer.read(reply);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#succeed(answer);
  }

  reject(error: unknown): void {
    const instead = this.#answer?.instead;
    if (instead && this.waiting) this.#try(() => instead(error, new BorrowedConnection(this.#sentOver as Connection, this)));
    else this.#fail(error);
  }

  #try(work: () => Promise<unknown>): void {
    attempt(work).then(
      (answer) => this.#succeed(answer),
      (error: unknown) => this.#fail(error),
    );
  }

  #succeed(answer: unknown): void {
    this.#hasReply = true;
    if (this.#rejectCall === this.#rejectReply) this.#recorder.succeeded(this);
    this.#resolveReply?.(answer as never);
  }

  #fail(error: unknown): void {
    this.#hasReply = true;
    if (this.#rejectCall === this.#rejectReply) this.#recorder.failed(this, error);
    this.#rejectReply?.(error);
  }

  expire(): void {
    const where = this.connection?.status === 'connecting' ? this.connection.whereabouts : undefined;
    const error = where ? connectTimeout(this.timeout, where) : new TimeoutError(this.timeout);
    this.#recorder.expired(this, error);
    this.#rejectCall?.(error);
    this.firstBatch?.onOver();
    for (const batch of this.furtherBatches ?? []) batch.onOver();
  }
}

function connectTimeout(time: Milliseconds, where: Whereabouts): TimeoutError {
  const hint = hintOf({ ...where, code: 'ETIMEDOUT' });
  return new TimeoutError(time, `no connection to ${redisAt(where)}`, { hint, phase: where.phase });
}

/** A connection for one call. Once the call has ended, it sends nothing more: a write reported as failed is not sent later. */
export class BorrowedConnection implements Connection, Caller {
  readonly #connection: Connection;
  readonly #call: Call;
  /** The call of another guard, whose pool this connection was borrowed from. */
  #outer: Caller | undefined;

  constructor(connection: Connection, call: Call) {
    this.#connection = connection;
    this.#call = call;
  }

  get timeout(): Milliseconds {
    return Math.min(this.#call.timeout, this.#outer?.timeout ?? Number.POSITIVE_INFINITY);
  }

  set batch(batch: Batch) {
    this.#call.batch = batch;
    if (this.#outer) this.#outer.batch = batch;
  }

  get waiting(): boolean {
    return this.#call.waiting && this.#outer?.waiting !== false;
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

  get whereabouts(): Connection['whereabouts'] {
    return this.#connection.whereabouts;
  }

  ready(): Promise<void> {
    this.#call.connection = this.#connection;
    return this.#connection.ready();
  }

  send(args: readonly Argument[], route?: Route, outer?: Caller): Promise<Reply> {
    if (outer) this.#outer = outer;
    if (!this.waiting) return Promise.reject(this.#call.overError);
    const { status } = this.#connection;
    // The reply goes to the call only if no other one may end before it.
    if (status === 'ready' && !this.#outer) return this.#call.sendFirst(this.#connection, args) ?? this.#connection.send(args, route, this);
    if (status !== 'idle' && status !== 'connecting') return this.#connection.send(args, route, this);
    return this.ready().then(() => {
      if (!this.waiting) throw this.#call.overError;
      return this.#connection.send(args, route, this);
    });
  }

  close(grace: Milliseconds): Promise<void> {
    return this.#connection.close(grace);
  }
}
