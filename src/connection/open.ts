import { RESP_TYPES } from '@redis/client';
import { ClosedError, ConnectionError } from '../errors.js';
import { maxLateness } from '../time/deadlines.js';
import { ExternalClientConnection } from './client/external-client.js';
import { addListeners, removeListeners } from './client/listeners.js';
import { openClient } from './client/open-client.js';
import { optionsFor } from './client/write-deadline.js';
import type { Argument, Caller, Connection, OnError, Reply, Route, Status } from './connection.js';
import { openDirect } from './direct/open-direct.js';
import type { ParserClass } from './direct/parser.js';
import { GuardedPool, type GuardOptions } from './guard.js';
import { type Pool, type PoolClass, SharedConnection } from './pools.js';
import { isReplyError, toConnectionError, toReplyError, toSendError } from './reply-errors.js';
import { slotOf, splitByNode } from './slots.js';
import type { ExternalClient, Target } from './target.js';
import { clusterConnection } from './topology/cluster.js';
import { sentinelConnection } from './topology/sentinel.js';

interface ExternalCluster {
  readonly masters: readonly { readonly address: string }[];
  nodeClient(node: object): Promise<ExternalClient>;
}

/** The kind of a node-redis client. Decided by its members: it may come from another copy of the package. */
export function kindOf(client: ExternalClient): 'client' | 'cluster' | 'sentinel' | 'pool' | undefined {
  if (typeof client?.withCommandOptions !== 'function' || typeof client.isOpen !== 'boolean') return undefined;
  if ('slots' in client && 'masters' in client) return 'cluster';
  if ('getSentinelNode' in client) return 'sentinel';
  if ('totalClients' in client) return 'pool';
  return typeof client.isReady === 'boolean' ? 'client' : undefined;
}

/** A connection over an external cluster, sentinel or client pool of node-redis: connects it if need be, and never closes it. */
class ExternalTopology implements Connection {
  readonly client: ExternalClient;
  readonly primaries: (() => Promise<readonly string[]>) | undefined;
  readonly #kind: 'cluster' | 'sentinel' | 'pool';
  readonly #sender: { sendCommand(...args: unknown[]): Promise<Reply> };
  readonly #options = { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
  readonly #listeners: { readonly error: (error: unknown) => void };
  #connecting: Promise<void> | undefined;
  /** It was connected: if it is closed later, the application has closed it, and may connect it again. */
  #wasOpen = false;
  #closed = false;

  constructor(client: ExternalClient, kind: 'cluster' | 'sentinel' | 'pool', onError: OnError) {
    this.client = client;
    this.#kind = kind;
    this.#sender = client.withCommandOptions(this.#options);
    this.#listeners = { error: (error) => onError(toConnectionError(error)) };
    addListeners(client, this.#listeners);
    if (kind === 'cluster') this.primaries = () => this.#masters();
  }

  get status(): Status {
    if (this.#closed) return 'closed';
    if (this.#connecting) return 'connecting';
    // A pool has no `isReady`.
    if (this.client.isReady ?? this.client.isOpen) {
      this.#wasOpen = true;
      return 'ready';
    }
    return this.client.isOpen ? 'reconnecting' : 'idle';
  }

  ready(): Promise<void> {
    if (this.#closed) return Promise.reject(new ClosedError());
    if (this.status === 'ready') return Promise.resolve();
    if (!this.client.isOpen && this.#wasOpen) return Promise.reject(toConnectionError(new Error('the application closed the client')));
    if (!this.client.isOpen) this.#connecting ??= this.#connect();
    return this.#connecting ?? Promise.reject(toConnectionError(new Error('the client is open and not ready')));
  }

  send(args: readonly Argument[], route: Route = {}, caller?: Caller): Promise<Reply> {
    const dispatch = (): Promise<Reply> => this.#dispatch(args, route, caller).then(undefined, this.#onFailure);
    return this.status === 'ready' ? dispatch() : this.ready().then(dispatch);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    removeListeners(this.client, this.#listeners);
  }

  async #connect(): Promise<void> {
    try {
      await this.client.connect();
    } catch (error) {
      throw toConnectionError(error);
    } finally {
      this.#connecting = undefined;
    }
  }

  async #masters(): Promise<readonly string[]> {
    await this.ready();
    return (this.client as unknown as ExternalCluster).masters.map(({ address }) => address).sort();
  }

  #dispatch(args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    const { key, readonly = false, divisible, node } = route;
    if (this.#kind === 'pool') return this.#sender.sendCommand(args, optionsFor(route, caller));
    if (this.#kind === 'sentinel') return this.#sender.sendCommand(readonly, args, optionsFor(route, caller));
    if (node !== undefined) return this.#sendToNode(node, args, route, caller);
    const send = (part: readonly Argument[], first: Argument | undefined): Promise<Reply> =>
      this.#sender.sendCommand(first, readonly, part, optionsFor(route, caller));
    // Only node-redis 6 splits commands by itself.
    return divisible && args.length > 2 ? splitByNode(args, slotOf, (part) => send(part, part[1])) : send(args, key);
  }

  async #sendToNode(address: string, args: readonly Argument[], route: Route, caller?: Caller): Promise<Reply> {
    const cluster = this.client as unknown as ExternalCluster;
    const node = cluster.masters.find((master) => master.address === address);
    if (!node) throw new ConnectionError(`the node ${address} has left the cluster`);
    return (await cluster.nodeClient(node)).withCommandOptions(this.#options).sendCommand(args, optionsFor(route, caller));
  }

  readonly #onFailure = (error: unknown): never => {
    if (this.#closed) throw new ClosedError();
    throw isReplyError(error) ? toReplyError(error as Error) : toSendError(error, this.client);
  };
}

/** What a pool connects to, and the bounds of its calls. */
export interface OpenPoolOptions extends GuardOptions {
  /** Any target but `memory`. */
  readonly target: Target;
  /** A pool class with its arguments, or an external pool, which is not closed. Default: one shared connection. */
  readonly pool?: { readonly class: PoolClass; readonly kwargs: object } | Pool | undefined;
  /** The parser of a direct connection to one server. Default: a node-redis client. */
  readonly parser?: ParserClass | 'auto' | undefined;
  /** How many bytes may wait for the network on each connection. */
  readonly maxPendingBytes: number;
  readonly onError: OnError;
  /** Watches every connection, to track the keys that are read over it. */
  readonly tracker?: { watch(connection: Connection): void } | undefined;
}

/** Opens a guarded pool. Its connections connect on first use. */
export function openPool(options: OpenPoolOptions): GuardedPool {
  const { target, pool, breaker, tracker } = options;
  // Failures in a row may all come from one node of a cluster: by default the breaker opens only when no node is left.
  const threshold = hasSeveralNodes(target) ? { threshold: Number.MAX_SAFE_INTEGER } : {};
  const bounds = { ...options, breaker: breaker && { ...threshold, ...breaker } };
  if (pool && 'use' in pool) return new GuardedPool(pool, bounds, false);
  const open = (): Connection => {
    const connection = connectionTo(target, options);
    tracker?.watch(connection);
    return connection;
  };
  return new GuardedPool(pool ? new pool.class(open, pool.kwargs) : new SharedConnection(open), bounds);
}

/** Whether the keys of the target are on several nodes. */
export function hasSeveralNodes(target: Target): boolean {
  return target.kind === 'cluster' || (target.kind === 'client' && kindOf(target.client) === 'cluster');
}

function connectionTo(target: Target, { parser, timeout, maxPendingBytes, onError, tracker }: OpenPoolOptions): Connection {
  // At least a second: a caller's short deadline does not mean that the connection is dead. And longer than the deadline, so that a frozen
  // server always shows as a timeout.
  const bounds = { livenessTimeout: Math.max(timeout + maxLateness, 1000), maxPendingBytes };
  switch (target.kind) {
    case 'cluster':
      return clusterConnection(target.plan, { timeout, ...bounds, onError });
    case 'sentinel':
      return sentinelConnection(target.plan, { timeout, ...bounds, onError });
    case 'client': {
      const kind = kindOf(target.client);
      if (kind === undefined || kind === 'client') return new ExternalClientConnection(target.client, onError);
      return new ExternalTopology(target.client, kind, onError);
    }
    default: {
      const server = target.kind === 'server' ? target.options : {};
      if (parser) return openDirect(server, parser, bounds, onError);
      return openClient(server, bounds, onError, tracker !== undefined);
    }
  }
}
