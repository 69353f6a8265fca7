import { RESP_TYPES } from '@redis/client';
import { ClosedError, ConnectionError } from '../errors.js';
import type { OnError } from './client.js';
import type { Argument, Connection, Reply, Route, Status } from './connection.js';
import { divide } from './divide.js';
import { isReplyError, notConnected, refusal } from './refusals.js';
import { slotOf } from './slots.js';
import type { GivenClient } from './target.js';

interface Sender {
  sendCommand(...args: unknown[]): Promise<Reply>;
}

interface GivenCluster {
  readonly masters: readonly { readonly address: string }[];
  nodeClient(node: object): Promise<GivenClient>;
}

/** What node-redis made: by what it can do, for it may come from another copy of the package. */
export function kindOf(client: GivenClient): 'client' | 'cluster' | 'sentinel' | 'pool' | undefined {
  if (typeof client?.withCommandOptions !== 'function' || typeof client.isOpen !== 'boolean') return undefined;
  if ('slots' in client && 'masters' in client) return 'cluster';
  if ('getSentinelNode' in client) return 'sentinel';
  if ('totalClients' in client) return 'pool';
  return typeof client.isReady === 'boolean' ? 'client' : undefined;
}

/**
 * A cluster, sentinel or client pool of node-redis that belongs to somebody else: connected if it is not yet, never closed.
 * How it finds its nodes and comes back is its own affair; calls through it have the store's deadline all the same.
 */
export class GivenTopology implements Connection {
  readonly client: GivenClient;
  readonly #kind: 'cluster' | 'sentinel' | 'pool';
  readonly #sender: Sender;
  readonly #options = { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
  readonly #onClientError: (error: unknown) => void;
  #connecting: Promise<void> | undefined;
  #closed = false;

  constructor(client: GivenClient, kind: 'cluster' | 'sentinel' | 'pool', onError: OnError) {
    this.client = client;
    this.#kind = kind;
    this.#sender = client.withCommandOptions(this.#options);
    this.#onClientError = (error) => onError(notConnected(error));
    client.on('error', this.#onClientError);
    client.setMaxListeners(client.getMaxListeners() + 1);
    if (kind === 'cluster') this.primaries = () => this.#masters();
  }

  readonly primaries: (() => Promise<readonly string[]>) | undefined;

  get status(): Status {
    if (this.#closed) return 'closed';
    if (this.#connecting) return 'connecting';
    // A pool says no more than that it is open.
    if (this.client.isReady ?? this.client.isOpen) return 'ready';
    return this.client.isOpen ? 'reconnecting' : 'idle';
  }

  ready(): Promise<void> {
    if (this.#closed) return Promise.reject(new ClosedError());
    if (this.status === 'ready') return Promise.resolve();
    if (!this.client.isOpen) this.#connecting ??= this.#connect();
    return this.#connecting ?? Promise.reject(notConnected(undefined));
  }

  send(args: readonly Argument[], route: Route = {}): Promise<Reply> {
    if (this.status === 'ready') return this.#dispatch(args, route).then(undefined, this.#explain);
    return this.ready().then(() => this.#dispatch(args, route).then(undefined, this.#explain));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.client.off('error', this.#onClientError).setMaxListeners(this.client.getMaxListeners() - 1);
  }

  async #connect(): Promise<void> {
    try {
      await this.client.connect();
    } catch (error) {
      throw notConnected(error);
    } finally {
      this.#connecting = undefined;
    }
  }

  async #masters(): Promise<readonly string[]> {
    await this.ready();
    return (this.client as unknown as GivenCluster).masters.map(({ address }) => address).sort();
  }

  #dispatch(args: readonly Argument[], route: Route): Promise<Reply> {
    const { key, readonly = false, divisible, node } = route;
    if (this.#kind === 'pool') return this.#sender.sendCommand(args);
    if (this.#kind === 'sentinel') return this.#sender.sendCommand(readonly, args);
    if (node !== undefined) return this.#sendTo(node, args);
    // Its own way of dividing is that of node-redis 6 only.
    if (divisible && args.length > 2) return divide(args, slotOf, (part) => this.#sender.sendCommand(part[1], readonly, part));
    return this.#sender.sendCommand(key, readonly, args);
  }

  async #sendTo(address: string, args: readonly Argument[]): Promise<Reply> {
    const cluster = this.client as unknown as GivenCluster;
    const node = cluster.masters.find((master) => master.address === address);
    if (!node) throw new ConnectionError(`the node ${address} has left the cluster`);
    return (await cluster.nodeClient(node)).withCommandOptions(this.#options).sendCommand(args);
  }

  readonly #explain = (error: unknown): never => {
    if (this.#closed) throw new ClosedError();
    throw isReplyError(error) ? refusal(error as Error) : notConnected(error);
  };
}
