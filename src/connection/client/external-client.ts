import { RESP_TYPES } from '@redis/client';
import { ClosedError, ConnectionError, type ConnectionPhase } from '../../errors.js';
import type { Argument, Caller, Connection, OnError, Reply, Route, Status, Tracking, TrackingListener } from '../connection.js';
import { type Place, placeOf } from '../place.js';
import { isReplyError, toConnectionError, toReplyError, toSendError } from '../reply-errors.js';
import type { ExternalClient } from '../target.js';
import { ClientTracking } from '../tracking/tracking.js';
import { keepsReplies } from './client-session.js';
import { addListeners, removeListeners } from './listeners.js';
import { optionsFor } from './write-deadline.js';

/**
 * A connection over a client of the application. Connects it if it is not connected yet; node-redis reconnects it, and we never close or
 * replace it. Calls do not wait for that: they share the first attempt to connect, and fail at once while the client is known to be down.
 */
export class ExternalClientConnection implements Connection {
  readonly client: ExternalClient;
  readonly #onError: OnError;
  readonly #sender: { sendCommand(args: readonly Argument[], options?: object): Promise<Reply> };
  #status: Status = 'idle';
  #connecting: Promise<void> | undefined;
  #settleConnecting: { resolve(): void; reject(error: Error): void } | undefined;
  #lastError: unknown;
  #lastPhase: ConnectionPhase | undefined;
  /** The application has closed its client. */
  #isLeft = false;
  /** It has lost a reply: until it reconnects, its replies may be those of other commands. */
  #isDesynced = false;
  #tracking: ClientTracking | undefined;
  readonly #place: Place;
  /** How far it is, by the events of the client. */
  #phase: ConnectionPhase = 'connecting';

  constructor(client: ExternalClient, onError: OnError) {
    this.client = client;
    this.#onError = onError;
    this.#place = placeOf(client.options);
    this.#sender = client.withCommandOptions({ timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } });
    addListeners(client, this.#listeners);
    if (client.isReady) this.#onReady();
  }

  get status(): Status {
    return this.#status;
  }

  send(args: readonly Argument[], route: Route = {}, caller?: Caller): Promise<Reply> {
    if (this.#status === 'ready' && this.client.isReady) return this.#dispatch(args, route, caller);
    return this.ready().then(() => this.#dispatch(args, route, caller));
  }

  ready(): Promise<void> {
    if (this.#status === 'closed') return Promise.reject(new ClosedError());
    if (this.#status === 'ready' && this.client.isReady) return Promise.resolve();
    if (this.#status === 'ready' || this.#status === 'reconnecting') return Promise.reject(this.#down());
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  track(listener: TrackingListener): Tracking {
    this.#tracking = new ClientTracking(listener, (args) => this.#dispatch(args));
    this.#tracking.attach(this.client);
    return this.#tracking;
  }

  async close(): Promise<void> {
    if (this.#status === 'closed') return;
    this.#tracking?.detach();
    this.#status = 'closed';
    this.#settleConnecting?.reject(new ClosedError());
    removeListeners(this.client, this.#listeners);
  }

  #dispatch(args: readonly Argument[], route: Route = {}, caller?: Caller): Promise<Reply> {
    return this.#sender.sendCommand(args, optionsFor(route, caller)).then(this.#onReply, this.#onFailure);
  }

  readonly #onReply = (reply: Reply): Reply => {
    if (this.#isDesynced) throw this.#down();
    return reply;
  };

  readonly #onFailure = (error: unknown): never => {
    if (this.#status === 'closed') throw new ClosedError();
    if (this.#isDesynced) throw this.#down();
    throw isReplyError(error)
      ? toReplyError(error as Error, { ...this.#place, phase: 'use' })
      : toSendError(error, this.client, this.#place);
  };

  /** Resolves with the first `ready`, rejects with the first error: node-redis's own promise is pending while it retries. */
  #connect(): Promise<void> {
    this.#status = 'connecting';
    return new Promise<void>((resolve, reject) => {
      this.#settleConnecting = { resolve, reject };
      // If the application is connecting its client already, `ready` will follow.
      if (!this.client.isOpen) this.client.connect().catch(this.#onTerminated);
    }).finally(() => {
      this.#connecting = undefined;
      this.#settleConnecting = undefined;
    });
  }

  readonly #onReady = (): void => {
    this.#status = 'ready';
    this.#phase = 'use';
    this.#isLeft = false;
    if (this.#isDesynced) this.#tracking?.attach(this.client);
    this.#isDesynced = false;
    this.#lastError = undefined;
    this.#settleConnecting?.resolve();
  };

  readonly #onClientError = (error: unknown): void => {
    let cause = error;
    if (!this.client.isReady) {
      this.#status = this.client.isOpen ? 'reconnecting' : 'idle';
      this.#lastError = error;
    } else if (!keepsReplies(error)) {
      this.#isDesynced = true;
      // What was lost may have been an invalidation.
      this.#tracking?.detach();
      this.#status = 'reconnecting';
      cause = new ConnectionError(`the client lost a reply: destroy it and connect it again (${(error as Error)?.message})`, {
        cause: error,
      });
      this.#lastError = cause;
    }
    const lost = toConnectionError(cause, this.#place, this.#phase);
    if (this.#status !== 'ready') this.#lastPhase = this.#phase;
    this.#settleConnecting?.reject(lost);
    this.#onError(lost);
  };

  /** The reconnect strategy gave up. The next call tries again. */
  readonly #onTerminated = (error: unknown): void => {
    if (this.#status === 'closed' || this.client.isOpen || this.#isLeft) return;
    this.#status = 'idle';
    this.#lastError = error;
    this.#lastPhase = this.#phase;
    this.#settleConnecting?.reject(this.#down());
  };

  /** The application closed the client: it may connect it again itself. */
  readonly #onEnd = (): void => {
    this.#isLeft = true;
    this.#status = 'reconnecting';
    this.#lastError = new Error('the application closed the client');
    this.#lastPhase = undefined;
  };

  readonly #onStep = (phase: ConnectionPhase) => (): void => {
    this.#phase = phase;
  };

  #down(): ConnectionError {
    return toConnectionError(this.#lastError, this.#place, this.#lastPhase);
  }

  readonly #listeners = {
    connect: this.#onStep('handshake'),
    reconnecting: this.#onStep('connecting'),
    ready: this.#onReady,
    error: this.#onClientError,
    terminated: this.#onTerminated,
    end: this.#onEnd,
  };
}
