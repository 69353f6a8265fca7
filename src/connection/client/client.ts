import { RESP_TYPES } from '@redis/client';
import { ClosedError, ReadOnlyError } from '../../errors.js';
import { clearTimeout, performance, setTimeout } from '../../time/clock.js';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { Argument, Caller, Connection, OnError, Reply, Route, Status, Tracking, TrackingListener } from '../connection.js';
import { LivenessMonitor, replacementInterval } from '../reconnect.js';
import { isReplyError, toConnectionError, toReplyError } from '../reply-errors.js';
import type { ExternalClient } from '../target.js';
import { ClientTracking } from '../tracking/tracking.js';
import type { ClientOptions } from './client-options.js';
import { clientFactory, endClient, StandbyClients } from './make-client.js';

interface Settings {
  /** Creates a client in place of the current one. Missing for an external client. */
  readonly make?: () => ExternalClient;
  readonly livenessTimeout: Milliseconds;
  readonly commandTimeout: Milliseconds;
  readonly onError: OnError;
}

/**
 * A connection over one node-redis client. node-redis reconnects by itself for ever. Here calls do not wait for that: they share the first
 * attempt to connect, and fail at once while the connection is known to be down. A client of our own that shows no sign of life for
 * `livenessTimeout` milliseconds is replaced, and so is one whose server has become a replica.
 */
export class ClientConnection implements Connection {
  readonly #settings: Settings;
  readonly #liveness: LivenessMonitor;
  readonly #standby: StandbyClients;
  #client!: ExternalClient;
  #sender!: { sendCommand(args: readonly Argument[]): Promise<Reply> };
  #status: Status = 'idle';
  #connecting: Promise<void> | undefined;
  #settleConnecting: { resolve(): void; reject(error: Error): void } | undefined;
  #handshakeTimer: NodeJS.Timeout | undefined;
  #lastError: unknown;
  #replacedAt = Number.NEGATIVE_INFINITY;
  #tracking: ClientTracking | undefined;

  private constructor(client: ExternalClient, settings: Settings) {
    const { livenessTimeout } = settings;
    this.#settings = settings;
    this.#standby = new StandbyClients(livenessTimeout);
    this.#liveness = new LivenessMonitor(livenessTimeout, () => this.#replace(new Error(`no sign of life for ${livenessTimeout} ms`)));
    this.#attach(client);
    if (client.isReady) this.#status = 'ready';
  }

  /** Opens a connection with a client of our own. `tracked`: `track` will be called. */
  static open(options: ClientOptions, livenessTimeout: Milliseconds, onError: OnError, tracked = false): ClientConnection {
    const make = clientFactory(options, livenessTimeout, tracked);
    return new ClientConnection(make(), { make, livenessTimeout, commandTimeout: options.commandOptions?.timeout ?? 0, onError });
  }

  /** Uses an external client: connects it if it is not connected yet, and never closes or replaces it. */
  static over(client: ExternalClient, livenessTimeout: Milliseconds, onError: OnError): ClientConnection {
    return new ClientConnection(client, { livenessTimeout, commandTimeout: 0, onError });
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
    return reply;
  };

  readonly #onFailure = (error: unknown): never => {
    this.#liveness.settled();
    if (this.#status === 'closed') throw new ClosedError();
    if (!isReplyError(error)) throw toConnectionError(error);
    const refused = toReplyError(error as Error);
    if (refused instanceof ReadOnlyError) void this.#replaceByPrimary();
    throw refused;
  };

  #attach(client: ExternalClient): void {
    this.#client = client;
    // node-redis's own timeout makes an AbortSignal for each command, and no longer applies once the command is written.
    this.#sender = client.withCommandOptions({ timeout: this.#settings.commandTimeout, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } });
    client.on('connect', this.#onConnect).on('ready', this.#onReady).on('error', this.#onClientError);
    client.on('terminated', this.#onTerminated).on('end', this.#onEnd);
    this.#tracking?.attach(client);
    // Many stores on one client are no leak.
    client.setMaxListeners(client.getMaxListeners() + 1);
  }

  #detach(client: ExternalClient): void {
    clearTimeout(this.#handshakeTimer);
    this.#tracking?.detach();
    // A client of our own may still report the end of its last attempt to connect, which without a listener would crash the process. This
    // listener is added before the other is removed: removing the last one would leave it on the emitter below the node-redis client.
    if (this.#settings.make) client.on('error', () => {});
    else client.setMaxListeners(client.getMaxListeners() - 1);
    client.off('connect', this.#onConnect).off('ready', this.#onReady).off('error', this.#onClientError);
    client.off('terminated', this.#onTerminated).off('end', this.#onEnd);
  }

  /** Resolves with the first `ready`, rejects with the first error: node-redis's own promise is pending while it retries. */
  #connect(): Promise<void> {
    this.#status = 'connecting';
    return new Promise<void>((resolve, reject) => {
      this.#settleConnecting = { resolve, reject };
      // If the application is connecting its client already, `ready` will follow.
      if (!this.#client.isOpen) this.#client.connect().catch(this.#onTerminated);
    }).finally(() => {
      this.#connecting = undefined;
      this.#settleConnecting = undefined;
    });
  }

  /** Replaces a client that cannot be trusted: commands in flight fail, and a new client connects in the background. */
  #replace(reason: Error): void {
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

  /** The socket is connected. The handshake must follow in time. */
  readonly #onConnect = (): void => {
    clearTimeout(this.#handshakeTimer);
    if (!this.#settings.make) return;
    const { livenessTimeout: time } = this.#settings;
    this.#handshakeTimer = setTimeout(() => this.#replace(new Error(`no handshake within ${time} ms`)), time);
  };

  readonly #onReady = (): void => {
    clearTimeout(this.#handshakeTimer);
    if (this.#status === 'closed') return;
    this.#status = 'ready';
    this.#lastError = undefined;
    this.#settleConnecting?.resolve();
  };

  readonly #onClientError = (error: unknown): void => {
    if (this.#status === 'closed') return;
    // After bytes that are no reply, node-redis goes on with one reply too few: later replies would answer other commands.
    if (this.#settings.make && this.#client.isReady && !isReplyError(error)) {
      this.#replace(error as Error);
      return;
    }
    if (!this.#client.isReady) {
      clearTimeout(this.#handshakeTimer);
      this.#status = this.#client.isOpen ? 'reconnecting' : 'idle';
      this.#lastError = error;
    }
    this.#settleConnecting?.reject(toConnectionError(error));
    this.#settings.onError(toConnectionError(error));
  };

  /** The reconnect strategy gave up. The next call tries again. */
  readonly #onTerminated = (error: unknown): void => {
    if (this.#status === 'closed' || this.#client.isOpen) return;
    this.#status = 'idle';
    this.#lastError = error;
    this.#settleConnecting?.reject(toConnectionError(error));
  };

  /** The application closed its client. The next call connects it again. */
  readonly #onEnd = (): void => {
    if (this.#status === 'ready') this.#status = 'idle';
  };
}
