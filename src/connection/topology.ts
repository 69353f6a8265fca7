import { ClosedError, ConnectionError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { retryIn } from './backoff.js';
import type { OnError } from './client.js';
import type { Argument, Caller, Connection, Reply, Route, Status } from './connection.js';
import { notConnected } from './refusals.js';
import type { ClientOptions } from './target.js';

/** While some node answers it can be asked where the others have gone: at least this often. */
const whileSomeAnswer: Milliseconds = 500;

export interface TopologyOptions {
  /** How long a node that is left may take to answer what is in flight. */
  readonly timeout: Milliseconds;
  /** How long a node may give no sign of life. */
  readonly patience: Milliseconds;
  readonly onError: OnError;
}

/**
 * Several nodes that are known by asking. Each has a connection that comes back by itself; what is added here is to find out
 * which nodes there are, and to find out again, in the background and with backoff, for as long as something is amiss.
 */
export abstract class Topology implements Connection {
  protected readonly options: TopologyOptions;
  readonly #strategy: unknown;
  #closed = false;
  /** Connected once, or failed to: from then on nobody waits. */
  #tried = false;
  #connecting: Promise<void> | undefined;
  #mending: Promise<void> | undefined;
  #amiss = false;
  #news = false;
  #endPause: (() => void) | undefined;
  #lastError: unknown;

  constructor(options: TopologyOptions, node: ClientOptions) {
    this.options = options;
    this.#strategy = (node.socket as { reconnectStrategy?: unknown } | undefined)?.reconnectStrategy;
  }

  /** Finds the nodes and opens connections to them. Rejects where nobody answers. @returns whether all is well */
  protected abstract find(): Promise<boolean>;
  /** Sends a command to where it belongs. Called once the nodes are known. */
  protected abstract dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply>;
  /** The connections to nodes that take writes, and to all nodes. */
  protected abstract primaryConnections(): readonly Connection[];
  protected abstract allConnections(): readonly Connection[];

  get status(): Status {
    if (this.#closed) return 'closed';
    if (this.#connecting) return 'connecting';
    if (this.primaryConnections().some(({ status }) => status === 'ready')) return 'ready';
    return this.#tried ? 'reconnecting' : 'idle';
  }

  ready(): Promise<void> {
    switch (this.status) {
      case 'ready':
        return Promise.resolve();
      case 'closed':
        return Promise.reject(new ClosedError());
      case 'reconnecting':
        return Promise.reject(notConnected(this.#lastError));
      default:
        this.#connecting ??= this.#connect().finally(() => {
          this.#connecting = undefined;
        });
        return this.#connecting;
    }
  }

  send(args: readonly Argument[], route: Route = {}, caller?: Caller): Promise<Reply> {
    const known = this.#tried && !this.#closed && this.primaryConnections().length > 0;
    return known ? this.dispatch(args, route, caller) : this.ready().then(() => this.dispatch(args, route, caller));
  }

  async close(grace: Milliseconds): Promise<void> {
    this.#closed = true;
    this.#endPause?.();
    await Promise.all(this.allConnections().map((connection) => connection.close(grace)));
  }

  protected get closed(): boolean {
    return this.#closed;
  }

  /** Something is amiss: sees to it in the background, until all is well. `news` is reason to look at once. */
  protected mend(news = false): void {
    this.#amiss = true;
    if (news) {
      this.#news = true;
      this.#endPause?.();
    }
    if (!this.#tried || this.#closed) return;
    this.#mending ??= this.#mendUntilWell().finally(() => {
      this.#mending = undefined;
    });
  }

  /** What a call failed with: a node that was left behind is closed, which for the caller is a connection that was lost. */
  protected reason(error: unknown): unknown {
    return error instanceof ClosedError && !this.#closed ? new ConnectionError('the connection was left for that to another node') : error;
  }

  /** A node's connection failed. */
  protected readonly onNodeError: OnError = (error) => {
    if (this.#closed) return;
    this.#lastError = error;
    this.mend();
    this.options.onError(error);
  };

  async #connect(): Promise<void> {
    let well = false;
    try {
      well = await this.find();
      if (this.#closed) throw new ClosedError();
    } catch (error) {
      if (this.#closed) throw await this.close(0).then(() => new ClosedError());
      this.#failed(error);
      throw notConnected(error);
    } finally {
      this.#tried = true;
      if (!well || this.#amiss) this.mend();
    }
  }

  async #mendUntilWell(): Promise<void> {
    let cause: unknown;
    for (let attempt = 0; ; attempt++) {
      const wait = this.#retryIn(attempt, cause);
      if (wait === undefined) break;
      if (!this.#news) await this.#pause(wait);
      if (this.#closed) return;
      this.#amiss = false;
      this.#news = false;
      try {
        if ((await this.find()) && !this.#amiss) return;
        cause = undefined;
      } catch (error) {
        cause = error;
        this.#failed(error);
      }
      // What was opened meanwhile would stay.
      if (this.#closed) return this.close(0);
    }
    // The user's strategy gave up: forgotten, so that the next call tries again.
    if (this.status === 'reconnecting') this.#tried = false;
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#lastError = error;
    if (this.primaryConnections().length === 0) this.options.onError(notConnected(error));
  }

  /** By the strategy that the nodes reconnect with; `undefined` for giving up. */
  #retryIn(attempt: number, cause: unknown): Milliseconds | undefined {
    const wait = retryIn(this.#strategy, attempt, cause ?? this.#lastError, this.options.onError);
    return wait !== undefined && this.status === 'ready' ? Math.min(wait, whileSomeAnswer) : wait;
  }

  async #pause(time: Milliseconds): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, time);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endPause = undefined;
  }
}
