import { RESP_TYPES } from '@redis/client';
import { ClosedError, ConnectionError, ReadOnlyError } from '../../errors.js';
import { performance } from '../../time/clock.js';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { Argument, Caller, Connection, Reply, Route, Status, Tracking, TrackingListener } from '../connection.js';
import { ConnectTimer, LivenessMonitor, reconnectStrategy, replacementInterval } from '../reconnect.js';
import { isReplyError, isUnsent, toConnectionError, toReplyError, toSendError } from '../reply-errors.js';
import type { ExternalClient } from '../target.js';
import { ClientTracking } from '../tracking/tracking.js';
import { addListeners, removeListeners } from './listeners.js';
import { type ClientSettings, endClient, StandbyClients } from './make-client.js';

/**
 * A connection over one node-redis client. node-redis reconnects by itself for ever. Here calls do not wait for that: they share the first
 * attempt to connect, and fail at once while the connection is known to be down. A client of our own that shows no sign of life for
 * `livenessTimeout` milliseconds is replaced, and so is one whose server has become a replica.
 */
export class ClientConnection implements Connection {
  readonly #settings: ClientSettings;
  readonly #liveness: LivenessMonitor;
  readonly #standby: StandbyClients;
  #client!: ExternalClient;
  #sender!: { sendCommand(args: readonly Argument[]): Promise<Reply> };
  #status: Status = 'idle';
  #connecting: Promise<void> | undefined;
  #settleConnecting: { resolve(): void; reject(error: Error): void } | undefined;
  readonly #connectTimer = new ConnectTimer();
  #lastError: unknown;
  /** Attempts in a row that took too long. */
  #lateAttempts = 0;
  /** The application has closed its client. */
  #isLeft = false;
  #replacedAt = Number.NEGATIVE_INFINITY;
  /** An external client has lost a reply: until it reconnects, its replies may be those of other commands. */
  #isAstray = false;
  #tracking: ClientTracking | undefined;

  constructor(client: ExternalClient, settings: ClientSettings) {
    const { livenessTimeout } = settings;
    this.#settings = settings;
    this.#standby = new StandbyClients(livenessTimeout);
    this.#liveness = new LivenessMonitor(livenessTimeout, () => this.#replace(new Error(`no sign of life for ${livenessTimeout} ms`)));
    this.#attach(client);
    if (client.isReady) this.#status = 'ready';
  }

  get client(): ExternalClient {
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
    if (this.#status === 'closed') return Promise.reject(new ClosedError());
    if (this.#status === 'ready' && this.#client.isReady) return Promise.resolve();
    if (this.#status === 'ready' || this.#status === 'reconnecting') return Promise.reject(toConnectionError(this.#lastError));
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  track(listener: TrackingListener): Tracking {
    this.#tracking = new ClientTracking(listener, (args) => this.#dispatch(args));
    this.#tracking.attach(this.#client);
    return this.#tracking;
  }

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    const client = this.#client;
    const wasReady = this.#status === 'ready';
    this.#tracking?.detach();
    this.#status = 'closed';
    this.#liveness.stop();
    this.#settleConnecting?.reject(new ClosedError());
    this.#standby.end();
    try {
      if (this.#settings.make && wasReady && client.isOpen) await waitAtMost(client.close(), grace);
    } finally {
      this.#detach(client);
      if (this.#settings.make) endClient(client);
    }
  }

  #dispatch(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    this.#liveness.sent(caller?.timeout);
    return this.#sender.sendCommand(args).then(this.#onReply, this.#onFailure);
  }

  readonly #onReply = (reply: Reply): Reply => {
    this.#liveness.settled();
    if (this.#isAstray) throw toConnectionError(this.#lastError);
    return reply;
  };

  readonly #onFailure = (error: unknown): never => {
    this.#liveness.settled();
    if (this.#status === 'closed') throw new ClosedError();
    if (this.#isAstray) throw toConnectionError(this.#lastError);
    if (!isReplyError(error)) throw toSendError(error, this.#client);
    const refused = toReplyError(error as Error);
    if (refused instanceof ReadOnlyError) void this.#replaceByPrimary();
    throw refused;
  };

  #attach(client: ExternalClient): void {
    this.#client = client;
    // node-redis's own timeout makes an AbortSignal for each command, and no longer applies once the command is written.
    this.#sender = client.withCommandOptions({ timeout: this.#settings.commandTimeout, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } });
    addListeners(client, this.#listeners);
    this.#tracking?.attach(client);
  }

  #detach(client: ExternalClient): void {
    this.#connectTimer.end();
    this.#tracking?.detach();
    // A client of our own may still report the end of its last attempt to connect, which without a listener would crash the process.
    if (this.#settings.make) client.on('error', () => {});
    removeListeners(client, this.#listeners);
  }

  /** Resolves with the first `ready`, rejects with the first error: node-redis's own promise is pending while it retries. */
  #connect(): Promise<void> {
    this.#status = 'connecting';
    return new Promise<void>((resolve, reject) => {
      this.#settleConnecting = { resolve, reject };
      // If the application is connecting its client already, `ready` will follow.
      if (!this.#client.isOpen) this.#open();
    }).finally(() => {
      this.#connecting = undefined;
      this.#settleConnecting = undefined;
    });
  }

  /** Replaces a client that cannot be trusted: commands in flight fail, and a new client connects in the background. */
  #replace(reason: Error, delay: Milliseconds = 0): void {
    if (!this.#settings.make || this.#status === 'closed') return;
    const old = this.#client;
    this.#detach(old);
    this.#liveness.stop();
    this.#attach(this.#settings.make());
    this.#status = 'reconnecting';
    this.#lastError = reason;
    this.#settleConnecting?.reject(toConnectionError(this.#lastError));
    endClient(old);
    this.#settings.onError(toConnectionError(this.#lastError));
    if (delay > 0) this.#connectTimer.begin(delay, () => this.#open());
    else this.#open();
  }

  #open(): void {
    this.#onAttempt();
    this.#client.connect().catch(this.#onTerminated);
  }

  /** The server has become a replica. Its name may lead to the new primary by now. The old client still answers commands in flight. */
  async #replaceByPrimary(): Promise<void> {
    if (!this.#settings.make || this.#status !== 'ready' || performance.now() - this.#replacedAt < replacementInterval) return;
    this.#replacedAt = performance.now();
    const old = this.#client;
    const next = this.#settings.make();
    if (!(await this.#standby.connect(next))) return;
    // The connection may have been closed, or its client replaced, in the meantime.
    if (this.#status !== 'ready' || this.#client !== old) return endClient(next);
    this.#detach(old);
    this.#attach(next);
    this.#standby.retire(old);
  }

  /** An attempt to connect begins. With a strategy of the user's own, node-redis counts attempts, and so it has to end them too. */
  readonly #onAttempt = (): void => this.#waitFor('connection', this.#settings.connectTimeout);

  /** The socket is connected. */
  readonly #onConnect = (): void => this.#waitFor('handshake', this.#settings.handshakeTimeout);

  #waitFor(what: string, time: Milliseconds): void {
    if (!this.#settings.make) return;
    this.#connectTimer.begin(time, () => this.#replace(new Error(`no ${what} within ${time} ms`), reconnectStrategy(this.#lateAttempts++)));
  }

  readonly #onReady = (): void => {
    this.#connectTimer.end();
    if (this.#status === 'closed') return;
    this.#status = 'ready';
    this.#lateAttempts = 0;
    this.#isLeft = false;
    if (this.#isAstray) this.#tracking?.attach(this.#client);
    this.#isAstray = false;
    this.#lastError = undefined;
    this.#settleConnecting?.resolve();
  };

  readonly #onClientError = (error: unknown): void => {
    if (this.#status === 'closed') return;
    let cause = error;
    if (!this.#client.isReady) {
      this.#connectTimer.end();
      this.#status = this.#client.isOpen ? 'reconnecting' : 'idle';
      this.#lastError = error;
    } else if (!isReplyError(error) && !isUnsent(error)) {
      // After bytes that are no reply, or a listener that throws, node-redis goes on with a reply too few: later ones would answer other commands.
      if (this.#settings.make) {
        this.#replace(error as Error);
        return;
      }
      this.#isAstray = true;
      // What was lost may have been an invalidation.
      this.#tracking?.detach();
      this.#status = 'reconnecting';
      cause = new ConnectionError(`the client lost a reply: destroy it and connect it again (${(error as Error)?.message})`, {
        cause: error,
      });
      this.#lastError = cause;
    }
    this.#settleConnecting?.reject(toConnectionError(cause));
    this.#settings.onError(toConnectionError(cause));
  };

  /** The reconnect strategy gave up. The next call tries again. */
  readonly #onTerminated = (error: unknown): void => {
    if (this.#status === 'closed' || this.#client.isOpen || this.#isLeft) return;
    this.#status = 'idle';
    this.#lastError = error;
    this.#settleConnecting?.reject(toConnectionError(error));
  };

  /** The application closed the client. The next call connects one of ours again; one of its own it may connect itself. */
  readonly #onEnd = (): void => {
    if (this.#status === 'closed') return;
    this.#isLeft = this.#settings.make === undefined;
    this.#status = this.#isLeft ? 'reconnecting' : 'idle';
    this.#lastError = new Error('the application closed the client');
  };

  readonly #listeners = {
    connect: this.#onConnect,
    ready: this.#onReady,
    error: this.#onClientError,
    terminated: this.#onTerminated,
    end: this.#onEnd,
    reconnecting: this.#onAttempt,
  };
}
