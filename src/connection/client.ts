import { createClient, RESP_TYPES } from '@redis/client';
import { ClosedError, CommandError, ConnectionError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Argument, Connection, Reply, Status } from './connection.js';
import { settledWithin } from './settled-within.js';
import type { ClientOptions, GivenClient } from './target.js';

/** Bulk strings come as bytes: what is in them is for the codec to say. */
const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };

interface Sender {
  sendCommand(args: readonly Argument[]): Promise<Reply>;
}

/** Told of every error of the connection that belongs to no operation, such as a lost socket. */
export type OnError = (error: ConnectionError) => void;

/** Backoff between 25 and 1000 ms: doubled each time, with half of it random, so that a fleet does not come back as one. */
export function reconnectStrategy(retries: number, random: () => number = Math.random): Milliseconds {
  return Math.round(Math.min(1000, 50 * 2 ** Math.min(retries, 10)) * (0.5 + random() / 2));
}

/**
 * One node-redis client. node-redis reconnects by itself for ever; what is added here is that nobody waits for it: calls
 * share the first attempt to connect and fail at once while the connection is known to be down.
 */
export class ClientConnection implements Connection {
  readonly client: GivenClient;
  readonly #sender: Sender;
  readonly #owned: boolean;
  readonly #onError: OnError;
  #status: Status = 'idle';
  #connecting: Promise<void> | undefined;
  #settle: { resolve(): void; reject(error: Error): void } | undefined;
  #lastError: unknown;

  private constructor(client: GivenClient, owned: boolean, timeout: Milliseconds, onError: OnError) {
    this.client = client;
    this.#owned = owned;
    this.#onError = onError;
    // Its timeout makes an AbortSignal for every command, and ends once the command is written: the guard's deadline does neither.
    this.#sender = client.withCommandOptions({ timeout, typeMapping });
    client.on('ready', this.#onReady).on('error', this.#onClientError).on('terminated', this.#onTerminated).on('end', this.#onEnd);
    // Many stores on one client are no leak.
    client.setMaxListeners(client.getMaxListeners() + 1);
    if (client.isReady) this.#status = 'ready';
  }

  /** A connection of our own. */
  static open(options: ClientOptions, onError: OnError): ClientConnection {
    const client = createClient({
      ...options,
      disableOfflineQueue: options.disableOfflineQueue ?? true,
      socket: {
        reconnectStrategy: (retries: number) => reconnectStrategy(retries),
        ...options.socket,
      } as NonNullable<ClientOptions['socket']>,
    });
    return new ClientConnection(client as GivenClient, true, options.commandOptions?.timeout ?? 0, onError);
  }

  /** A client that belongs to somebody else: connected if it is not yet, never closed. */
  static over(client: GivenClient, onError: OnError): ClientConnection {
    return new ClientConnection(client, false, 0, onError);
  }

  get status(): Status {
    return this.#status;
  }

  send(args: readonly Argument[]): Promise<Reply> {
    if (this.#status === 'ready' && this.client.isReady) return this.#dispatch(args);
    return this.ready().then(() => this.#dispatch(args));
  }

  ready(): Promise<void> {
    switch (this.#status) {
      case 'ready':
        if (this.client.isReady) return Promise.resolve();
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

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    const wasReady = this.#status === 'ready';
    this.#status = 'closed';
    this.#settle?.reject(new ClosedError());
    try {
      if (!this.#owned) return;
      if (wasReady && this.client.isOpen) await settledWithin(this.client.close(), grace);
    } finally {
      this.client.off('ready', this.#onReady);
      this.client.off('terminated', this.#onTerminated).off('end', this.#onEnd);
      if (this.#owned) this.client.destroy();
      // An owned client may still report the end of its last attempt to connect: with no listener that would be a crash.
      else this.client.off('error', this.#onClientError).setMaxListeners(this.client.getMaxListeners() - 1);
    }
  }

  #dispatch(args: readonly Argument[]): Promise<Reply> {
    return this.#sender.sendCommand(args).then(undefined, this.#explain);
  }

  readonly #explain = (error: unknown): never => {
    throw this.#explained(error);
  };

  /** Resolves with the first `ready`, rejects with the first error: node-redis's own promise would outlast every retry. */
  #connect(): Promise<void> {
    this.#status = 'connecting';
    return new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
      // Somebody else may be connecting the client they gave us; then `ready` is on its way.
      if (!this.client.isOpen) this.client.connect().catch(this.#onTerminated);
    }).finally(() => {
      this.#connecting = undefined;
      this.#settle = undefined;
    });
  }

  readonly #onReady = (): void => {
    if (this.#status === 'closed') return;
    this.#status = 'ready';
    this.#lastError = undefined;
    this.#settle?.resolve();
  };

  readonly #onClientError = (error: unknown): void => {
    if (this.#status === 'closed') return;
    if (!this.client.isReady) {
      this.#status = this.client.isOpen ? 'reconnecting' : 'idle';
      this.#lastError = error;
    }
    this.#settle?.reject(this.#down(error));
    this.#onError(this.#down(error));
  };

  /** The reconnect strategy gave up: forgotten, so that the next call tries again. */
  readonly #onTerminated = (error: unknown): void => {
    if (this.#status === 'closed') return;
    this.#status = 'idle';
    this.#lastError = error;
    this.#settle?.reject(this.#down(error));
  };

  /** Closed by somebody who has the client in hand: as if it had never been used. */
  readonly #onEnd = (): void => {
    if (this.#status === 'ready') this.#status = 'idle';
  };

  #down(cause: unknown = this.#lastError): ConnectionError {
    const reason =
      cause instanceof Error && cause.message !== '' ? cause.message : ((cause as { code?: string })?.code ?? 'connection lost');
    return new ConnectionError(`not connected to Redis: ${reason}`, { cause });
  }

  /** node-redis's errors in our words: Redis refused, or there is no connection. */
  #explained(error: unknown): Error {
    if (this.#status === 'closed') return new ClosedError();
    if (isReplyError(error))
      return new CommandError(`Redis answered: ${(error as Error).message}`, {
        cause: error,
      });
    return this.#down(error);
  }
}

/** By name, not by class: a client that came from outside may stand on another copy of node-redis. */
function isReplyError(error: unknown): boolean {
  for (let type = Object.getPrototypeOf(error); type; type = Object.getPrototypeOf(type)) {
    if (type.constructor.name === 'ErrorReply') return true;
  }
  return false;
}
