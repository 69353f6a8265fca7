import { RESP_TYPES } from '@redis/client';
import { ClosedError, type ConnectionError, ReadOnlyError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { Aside } from './aside.js';
import { reconnectStrategy } from './backoff.js';
import type { Argument, Caller, Connection, Reply, Route, Status } from './connection.js';
import { endClient } from './end-client.js';
import { makeClient } from './make-client.js';
import { isReplyError, notConnected, refusal } from './refusals.js';
import { settledWithin } from './settled-within.js';
import { Silence } from './silence.js';
import type { ClientOptions, GivenClient } from './target.js';
import { ClientTracking, type Tracking, type TrackingListener, trackable } from './tracking.js';

/** Bulk strings come as bytes: what is in them is for the codec to say. */
const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };

/**
 * Bytes that a socket takes before node-redis waits for it to drain. At Node's own mark, 16 KiB in Node 20, the sets of one tick
 * leave in many writes, one turn of the event loop each.
 */
const written = 2 ** 20;

interface Sender {
  sendCommand(args: readonly Argument[]): Promise<Reply>;
}

/** Told of every error of the connection that belongs to no operation, such as a lost socket. */
export type OnError = (error: ConnectionError) => void;

/** A connection to a replica is replaced no more often than this: a store that is meant to read from one is left in peace. */
export const renewal: Milliseconds = 5000;

/**
 * One node-redis client. node-redis reconnects by itself for ever; what is added here is that nobody waits for it (calls share
 * the first attempt to connect and fail at once while the connection is known to be down), and that a connection which gives
 * no sign of life for `patience` milliseconds is replaced, as is one whose server has become a replica.
 */
export class ClientConnection implements Connection {
  readonly #make: (() => GivenClient) | undefined;
  readonly #patience: Milliseconds;
  readonly #commandTimeout: Milliseconds;
  readonly #onError: OnError;
  readonly #silence: Silence;
  #client: GivenClient;
  #sender!: Sender;
  #status: Status = 'idle';
  #connecting: Promise<void> | undefined;
  #settle: { resolve(): void; reject(error: Error): void } | undefined;
  #handshake: NodeJS.Timeout | undefined;
  #lastError: unknown;
  #lastRenewal = Number.NEGATIVE_INFINITY;
  readonly #aside: Aside;
  #tracking: ClientTracking | undefined;

  private constructor(
    client: GivenClient,
    make: (() => GivenClient) | undefined,
    patience: Milliseconds,
    commandTimeout: Milliseconds,
    onError: OnError,
  ) {
    this.#client = client;
    this.#make = make;
    this.#patience = patience;
    this.#aside = new Aside(patience);
    this.#commandTimeout = commandTimeout;
    this.#onError = onError;
    this.#silence = new Silence(patience, () => {
      if (make) this.#renew(new Error(`no sign of life for ${patience} ms`));
    });
    this.#attach(client);
    if (client.isReady) this.#status = 'ready';
  }

  /** A connection of our own. `tracked`: one that shall be told what changes. */
  static open(options: ClientOptions, patience: Milliseconds, onError: OnError, tracked = false): ClientConnection {
    const socket: object = {
      connectTimeout: patience,
      writableHighWaterMark: written,
      reconnectStrategy: (retries: number, cause: Error) => reconnectStrategy(retries, cause),
      ...options.socket,
    };
    const own = { ...options, disableOfflineQueue: options.disableOfflineQueue ?? true, socket } as ClientOptions;
    const make = (): GivenClient => (tracked ? trackable(own, makeClient) : makeClient(own)) as GivenClient;
    return new ClientConnection(make(), make, patience, options.commandOptions?.timeout ?? 0, onError);
  }

  /** A client that belongs to somebody else: connected if it is not yet, never closed or replaced. */
  static over(client: GivenClient, patience: Milliseconds, onError: OnError): ClientConnection {
    return new ClientConnection(client, undefined, patience, 0, onError);
  }

  get client(): GivenClient {
    return this.#client;
  }

  get status(): Status {
    return this.#status;
  }

  send(args: readonly Argument[], _route?: Route, caller?: Caller): Promise<Reply> {
    if (this.#status === 'ready' && this.#client.isReady) return this.#dispatch(args, caller);
    return this.ready().then(() => this.#dispatch(args, caller));
  }

  ready(): Promise<void> {
    switch (this.#status) {
      case 'ready':
        if (this.#client.isReady) return Promise.resolve();
        return Promise.reject(this.#down());
      case 'closed':
        return Promise.reject(new ClosedError());
      case 'reconnecting':
        return Promise.reject(this.#down());
      default:
        this.#connecting ??= this.#connect();
        return this.#connecting;
    }
  }

  track(listener: TrackingListener): Tracking {
    this.#tracking = new ClientTracking(listener, (args) => this.#dispatch(args));
    this.#tracking.attach(this.#client);
    return this.#tracking;
  }

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    const client = this.#client;
    this.#tracking?.detach();
    const wasReady = this.#status === 'ready';
    this.#status = 'closed';
    this.#silence.stop();
    this.#settle?.reject(new ClosedError());
    this.#aside.end();
    try {
      if (this.#make && wasReady && client.isOpen) await settledWithin(client.close(), grace);
    } finally {
      this.#detach(client);
      if (this.#make) endClient(client);
    }
  }

  #dispatch(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    this.#silence.asked(caller?.timeout);
    return this.#sender.sendCommand(args).then(this.#answered, this.#refused);
  }

  readonly #answered = (reply: Reply): Reply => {
    this.#silence.settled();
    return reply;
  };

  readonly #refused = (error: unknown): never => {
    this.#silence.settled();
    throw this.#explained(error);
  };

  #attach(client: GivenClient): void {
    this.#client = client;
    // Its timeout makes an AbortSignal for every command, and ends once the command is written: the guard's deadline does neither.
    this.#sender = client.withCommandOptions({ timeout: this.#commandTimeout, typeMapping });
    client.on('connect', this.#onConnect).on('ready', this.#onReady).on('error', this.#onClientError);
    client.on('terminated', this.#onTerminated).on('end', this.#onEnd);
    this.#tracking?.attach(client);
    // Many stores on one client are no leak.
    client.setMaxListeners(client.getMaxListeners() + 1);
  }

  #detach(client: GivenClient): void {
    clearTimeout(this.#handshake);
    this.#tracking?.detach();
    // One of ours may still report the end of its last attempt to connect: with no listener that would be a crash. It comes first,
    // for a node-redis client is an object on top of its emitter, and removing the last listener there would leave that one behind.
    if (this.#make) client.on('error', () => {});
    else client.setMaxListeners(client.getMaxListeners() - 1);
    client.off('connect', this.#onConnect).off('ready', this.#onReady).off('error', this.#onClientError);
    client.off('terminated', this.#onTerminated).off('end', this.#onEnd);
  }

  /** Resolves with the first `ready`, rejects with the first error: node-redis's own promise would outlast every retry. */
  #connect(): Promise<void> {
    this.#status = 'connecting';
    return new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
      // Somebody else may be connecting the client they gave us; then `ready` is on its way.
      if (!this.#client.isOpen) this.#client.connect().catch(this.#onTerminated);
    }).finally(() => {
      this.#connecting = undefined;
      this.#settle = undefined;
    });
  }

  /** A new client in place of one that cannot be trusted: what is in flight fails, and the new one connects in the background. */
  #renew(reason: Error): void {
    if (!this.#make || this.#status === 'closed') return;
    const old = this.#client;
    this.#detach(old);
    this.#silence.stop();
    this.#attach(this.#make());
    this.#status = 'reconnecting';
    this.#lastError = reason;
    this.#settle?.reject(this.#down());
    endClient(old);
    this.#onError(this.#down());
    this.#client.connect().catch(this.#onTerminated);
  }

  /** The server has become a replica; its name may lead to the new primary by now. What is in flight is answered by the old connection. */
  #moveOn(): void {
    const now = performance.now();
    if (!this.#make || this.#status !== 'ready' || now - this.#lastRenewal < renewal) return;
    this.#lastRenewal = now;
    const old = this.#client;
    const next = this.#make();
    void this.#aside.connects(next).then((there) => {
      if (!there) return;
      // Closed or replaced meanwhile.
      if (this.#status !== 'ready' || this.#client !== old) return endClient(next);
      this.#detach(old);
      this.#attach(next);
      this.#aside.retires(old);
    });
  }

  /** The socket is there. Whoever does not shake hands in time is as good as not there. */
  readonly #onConnect = (): void => {
    clearTimeout(this.#handshake);
    if (!this.#make) return;
    this.#handshake = setTimeout(() => this.#renew(new Error(`no handshake within ${this.#patience} ms`)), this.#patience);
  };

  readonly #onReady = (): void => {
    clearTimeout(this.#handshake);
    if (this.#status === 'closed') return;
    this.#status = 'ready';
    this.#lastError = undefined;
    this.#settle?.resolve();
  };

  readonly #onClientError = (error: unknown): void => {
    if (this.#status === 'closed') return;
    // Bytes that are no reply: node-redis goes on, with one answer fewer than there are questions.
    if (this.#make && this.#client.isReady && !isReplyError(error)) {
      this.#renew(error as Error);
      return;
    }
    if (!this.#client.isReady) {
      clearTimeout(this.#handshake);
      this.#status = this.#client.isOpen ? 'reconnecting' : 'idle';
      this.#lastError = error;
    }
    this.#settle?.reject(this.#down(error));
    this.#onError(this.#down(error));
  };

  /** The reconnect strategy gave up: forgotten, so that the next call tries again. */
  readonly #onTerminated = (error: unknown): void => {
    if (this.#status === 'closed' || this.#client.isOpen) return;
    this.#status = 'idle';
    this.#lastError = error;
    this.#settle?.reject(this.#down(error));
  };

  /** Closed by somebody who has the client in hand: as if it had never been used. */
  readonly #onEnd = (): void => {
    if (this.#status === 'ready') this.#status = 'idle';
  };

  #down(cause: unknown = this.#lastError): ConnectionError {
    return notConnected(cause);
  }

  /** node-redis's errors in our words: Redis refused, or there is no connection. */
  #explained(error: unknown): Error {
    if (this.#status === 'closed') return new ClosedError();
    if (!isReplyError(error)) return this.#down(error);
    const refused = refusal(error as Error);
    if (refused instanceof ReadOnlyError) this.#moveOn();
    return refused;
  }
}
