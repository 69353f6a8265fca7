import { ClosedError, ConnectionError, UnsupportedError } from '../../errors.js';
import { performance } from '../../time/clock.js';
import { firstAnswer } from '../../time/deadlines.js';
import { pause } from '../../time/waiting.js';
import type { Milliseconds } from '../../ttl.js';
import { retryIn } from '../backoff.js';
import type { ClientOptions, SocketOptions } from '../client/client-options.js';
import { openClient } from '../client/open-client.js';
import type { Argument, Caller, Connection, OnError, Reply, Route, Status, Tracking, TrackingListener } from '../connection.js';
import { Retries } from '../pacing.js';
import { toConnectionError } from '../reply-errors.js';
import type { SessionBounds } from '../session.js';
import { type ClusterPlan, placedAt } from '../target.js';
import { NodesTracking, type View } from '../tracking/nodes-tracking.js';

/** Maximum delay between two discoveries while some node answers: it can be asked where the others have gone. */
const maxDelayIfPartlyUp: Milliseconds = 500;

export interface TopologyOptions extends SessionBounds {
  /** How long a node that was left behind may take to answer commands in flight, in milliseconds. */
  readonly timeout: Milliseconds;
  readonly onError: OnError;
}

/** What is particular to a topology: which nodes there are, and which of them takes a command. */
export interface Nodes {
  /** What nodes are compared by while they track; see {@link NodesTracking}. */
  readonly view?: View;
  /** The client of the one primary. */
  readonly client?: unknown;
  /** See {@link Connection.primaries}. */
  primaries?(): Promise<readonly string[]>;
  /** Finds the nodes and opens connections to them. Rejects if no node answers. @returns whether every node is connected */
  find(): Promise<boolean>;
  /** The connections to nodes that take writes. */
  primaryConnections(): readonly Connection[];
  allConnections(): readonly Connection[];
  /** Sends a command. Some primary is known; its connection need not be ready. */
  dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply>;
  /** Stops asking for nodes. */
  stop?(): void;
}

/**
 * A connection to several nodes: a node-redis client for each. Discovers them on first use, and again in the background, with backoff, while
 * the topology is degraded.
 */
export class TopologyConnection implements Connection {
  readonly #plan: Omit<ClusterPlan, 'redirections'>;
  readonly #options: TopologyOptions;
  readonly #nodes: Nodes;
  #tracking: NodesTracking | undefined;
  #closed = false;
  /** The first discovery has ended: from now on calls do not wait for one. */
  #tried = false;
  #connecting: Promise<void> | undefined;
  #rediscovering: Promise<void> | undefined;
  #degraded = false;
  #urgent = false;
  #pause: AbortController | undefined;
  #lastError: unknown;
  /** Of discoveries. */
  #retries = new Retries();

  constructor(plan: Omit<ClusterPlan, 'redirections'>, options: TopologyOptions, nodesOf: (connection: TopologyConnection) => Nodes) {
    this.#plan = plan;
    this.#options = options;
    this.#nodes = nodesOf(this);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Told of keys that were read from a node which does not serve them, and of new primaries. */
  get tracking(): NodesTracking | undefined {
    return this.#tracking;
  }

  get client(): unknown {
    return this.#nodes.client;
  }

  get primaries(): Connection['primaries'] {
    return this.#nodes.primaries?.bind(this.#nodes);
  }

  get status(): Status {
    if (this.#closed) return 'closed';
    if (this.#connecting) return 'connecting';
    if (this.#nodes.primaryConnections().some(({ status }) => status === 'ready')) return 'ready';
    return this.#tried ? 'reconnecting' : 'idle';
  }

  send(args: readonly Argument[], route: Route = {}, caller?: Caller): Promise<Reply> {
    const isKnown = this.#tried && !this.#closed && this.#nodes.primaryConnections().length > 0;
    return isKnown ? this.#nodes.dispatch(args, route, caller) : this.ready().then(() => this.#nodes.dispatch(args, route, caller));
  }

  /** Tracks on the primaries. Replicas lag behind them, each differently. */
  track(listener: TrackingListener): Tracking {
    const tracking = new NodesTracking(listener, this.#nodes.view, () => this.rediscover(true));
    if (!this.#plan.readReplicas) this.#tracking = tracking;
    else listener.refused(new UnsupportedError("it needs every read to go to a primary, and `readFrom` is 'replica'"));
    return tracking;
  }

  /** Resolves once a primary is connected. Rejects at once if none can be reached. */
  ready(): Promise<void> {
    const { status } = this;
    if (status === 'ready') return Promise.resolve();
    if (status === 'closed') return Promise.reject(new ClosedError());
    if (status === 'reconnecting') return Promise.reject(toConnectionError(this.#lastError));
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Stops discovering, and closes the connection to every node. */
  async close(grace: Milliseconds): Promise<void> {
    this.#closed = true;
    this.#nodes.stop?.();
    this.#pause?.abort();
    await this.#closeNodes(grace);
  }

  /** Rediscovers the nodes in the background until every node is connected. `urgent`: without waiting for the backoff. */
  rediscover(urgent = false): void {
    this.#degraded = true;
    if (urgent) {
      this.#urgent = true;
      this.#pause?.abort();
    }
    if (!this.#tried || this.#closed) return;
    this.#rediscovering ??= this.#rediscoverUntilHealthy().finally(() => {
      this.#rediscovering = undefined;
    });
  }

  /** The error of a command for its caller: if the connection to a node was left behind, the caller lost a connection. */
  explain(error: unknown): unknown {
    return error instanceof ClosedError && !this.#closed ? new ConnectionError('the connection was left for that to another node') : error;
  }

  openNode(address: string, further?: ClientOptions): Connection {
    const options = { ...placedAt(this.#plan.addresses(address), this.#plan.node), ...further };
    const connection = openClient(options, this.#options, this.#onNodeError, this.#tracking !== undefined);
    this.#tracking?.add(connection);
    return connection;
  }

  readonly #onNodeError: OnError = (error) => {
    if (this.#closed) return;
    this.#lastError = error;
    this.rediscover();
    this.#options.onError(error);
  };

  async #connect(): Promise<void> {
    let healthy = false;
    try {
      healthy = await this.#nodes.find();
      if (this.#closed) throw new ClosedError();
    } catch (error) {
      if (this.#closed) throw await this.#closeNodes(0).then(() => new ClosedError());
      this.#failed(error);
      throw toConnectionError(error);
    } finally {
      this.#tried = true;
      if (!healthy || this.#degraded) this.rediscover();
    }
  }

  async #closeNodes(grace: Milliseconds): Promise<void> {
    await Promise.all(this.#nodes.allConnections().map((connection) => connection.close(grace)));
  }

  async #rediscoverUntilHealthy(): Promise<void> {
    let cause: unknown;
    let took: Milliseconds = 0;
    // A strategy of the application counts each outage from 0.
    if ((this.#plan.node.socket as SocketOptions | undefined)?.reconnectStrategy !== undefined) this.#retries = new Retries();
    this.#retries.lost();
    for (;;) {
      const delay = this.#delay(this.#retries.next(), cause, took);
      if (delay === undefined) break;
      this.#pause = new AbortController();
      if (!this.#urgent) await pause(delay, { signal: this.#pause.signal });
      if (this.#closed) return;
      this.#degraded = false;
      this.#urgent = false;
      const began = performance.now();
      try {
        if ((await this.#nodes.find()) && !this.#degraded) return this.#retries.up();
        cause = undefined;
      } catch (error) {
        cause = error;
        this.#failed(error);
      }
      took = performance.now() - began;
      // Connections that were opened in the meantime are still open.
      if (this.#closed) return this.#closeNodes(0);
    }
    // The user's strategy gave up. The next call tries again.
    if (this.status === 'reconnecting') this.#tried = false;
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#lastError = error;
    if (this.#nodes.primaryConnections().length === 0) this.#options.onError(toConnectionError(error));
  }

  /** The delay before the next discovery; `undefined` to give up. `took`: how long the last one took. */
  #delay(attempt: number, cause: unknown, took: Milliseconds): Milliseconds | undefined {
    const { reconnectStrategy } = (this.#plan.node.socket ?? {}) as SocketOptions;
    let delay = retryIn(reconnectStrategy, attempt, cause ?? this.#lastError, this.#options.onError);
    if (delay === undefined) return undefined;
    // One that hung was a wait of its own.
    if (reconnectStrategy === undefined) delay = Math.max(delay / 4, delay - took);
    return this.status === 'ready' ? Math.min(delay, maxDelayIfPartlyUp) : delay;
  }
}

/** Asks a node over a connection that is opened for this and closed again. Rejects with a TimeoutError after `time`. */
export async function askOnce<T>(options: ClientOptions, time: Milliseconds, ask: (connection: Connection) => Promise<T>): Promise<T> {
  const socket = { ...options.socket, reconnectStrategy: false } as NonNullable<ClientOptions['socket']>;
  const connection = openClient({ ...options, socket }, { livenessTimeout: time }, () => {});
  try {
    return await firstAnswer([ask(connection)], time);
  } finally {
    await connection.close(0);
  }
}
