import { ClosedError, type ConnectionError, type ConnectionPhase } from '../errors.js';
import { performance } from '../time/clock.js';
import { type Deferred, deferred } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import { type Attempt, Attempts, timedOut } from './attempt.js';
import { retryIn } from './backoff.js';
import type { SocketOptions } from './client/client-options.js';
import type { Argument, Caller, Connection, OnError, Receiver, Reply, Route, Status, Tracking, TrackingListener } from './connection.js';
import { maxGap, Pacing, Retries, replacementInterval } from './pacing.js';
import { type Place, placeOf, type Whereabouts } from './place.js';
import { ReplacedSessions } from './replaced.js';
import { toConnectionError } from './reply-errors.js';
import type { Session, SessionListener } from './session.js';
import type { ExternalClient } from './target.js';
import { ClientTracking } from './tracking/tracking.js';

export interface ReconnectingOptions {
  readonly socket: SocketOptions;
  readonly livenessTimeout: Milliseconds;
  readonly handshakeTimeout: Milliseconds;
  readonly onError: OnError;
  /** Whether its sessions have clients that can track. */
  readonly tracks: boolean;
}

/**
 * A connection that comes back: over one session after another. Calls do not wait for that. They share the first attempt to connect, and fail
 * at once while the connection is known to be down. A session that has gone silent is kept while another is opened beside it: whichever works
 * first is used.
 */
export class ReconnectingConnection implements Connection, SessionListener {
  readonly track: Connection['track'];
  readonly #open: (listener: SessionListener) => Session;
  readonly #options: ReconnectingOptions;
  readonly #place: Place;
  /** The application says when attempts end, or when the next begins. */
  readonly #hasOwnPacing: boolean;
  readonly #pacing: Pacing;
  #status: Status = 'idle';
  /** The session in use: kept while it is silent. */
  #session: Session | undefined;
  #prepared: Session | undefined;
  readonly #attempts: Attempts;
  readonly #replaced: ReplacedSessions;
  #retries = new Retries();
  #lateAttempts = 0;
  #connecting: Deferred | undefined;
  /** Why it is down. Calls share it, and put their names into it: thousands may fail in a tick. */
  #lastError: ConnectionError | undefined;
  #demotedAt = Number.NEGATIVE_INFINITY;
  #tracking: ClientTracking | undefined;

  constructor(open: (listener: SessionListener) => Session, options: ReconnectingOptions) {
    const { socket, livenessTimeout, handshakeTimeout, tracks } = options;
    this.#open = open;
    this.#options = options;
    this.#place = placeOf(options);
    this.#replaced = new ReplacedSessions(this.#place);
    const connection = socket.connectTimeout ?? livenessTimeout;
    this.#attempts = new Attempts({ connection, handshake: handshakeTimeout }, this.#onTimeout, this.#place);
    this.#hasOwnPacing = socket.connectTimeout !== undefined || socket.reconnectStrategy !== undefined;
    this.#pacing = new Pacing(livenessTimeout / 2, socket.tls ? Math.max(maxGap, handshakeTimeout) : handshakeTimeout);
    this.track = tracks ? this.#track : undefined;
    this.#prepared = open(this);
  }

  get status(): Status {
    return this.#status;
  }

  get whereabouts(): Whereabouts {
    return { ...this.#place, phase: this.#attempts.newest?.phase };
  }

  /** The client in use, or else the one that will be. */
  get client(): unknown {
    if (!this.#session && this.#attempts.size === 0 && this.#status !== 'closed') this.#prepared ??= this.#open(this);
    return (this.#session ?? this.#attempts.newest?.session ?? this.#prepared)?.client;
  }

  ready(): Promise<void> {
    switch (this.#status) {
      case 'ready':
        return Promise.resolve();
      case 'closed':
      case 'reconnecting':
        return Promise.reject(this.#down());
      default:
        return (this.#status === 'connecting' ? (this.#connecting as Deferred) : this.#connect()).promise;
    }
  }

  send(args: readonly Argument[], _route?: Route, caller?: Caller): Promise<Reply> {
    return this.#status === 'ready' ? (this.#session as Session).send(args, caller) : this.ready().then(() => this.#sendNow(args, caller));
  }

  sendFor(receiver: Receiver, args: readonly Argument[]): void {
    if (this.#session) this.#session.sendFor(receiver, args);
    else receiver.reject(this.#down());
  }

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    const wasReady = this.#status === 'ready';
    this.#tracking?.detach();
    this.#stop('closed');
    this.#connecting?.reject(this.#down());
    this.#prepared?.end(this.#down());
    this.#replaced.end(this.#down());
    await this.#session?.close(wasReady ? grace : 0, this.#down());
  }

  onStep(session: Session, step: 'connection' | 'handshake'): void {
    this.#attempts.begin(session, step);
  }

  onLost(session: Session, error: unknown): void {
    if (session !== this.#session || this.#status === 'closed') return;
    this.#session = undefined;
    this.#tracking?.detach();
    this.#isDown(error, 'use');
    this.#retry(error, this.#retries.lost());
  }

  onClosedByApplication(session: Session): void {
    if (session !== this.#session || this.#status === 'closed') return;
    this.#session = undefined;
    this.#tracking?.detach();
    this.#lastError = toConnectionError(new Error('the application closed the client'), this.#place);
    this.#stop('idle');
  }

  onError(session: Session, error: unknown): void {
    if (session === this.#session && this.#status !== 'closed') this.#options.onError(toConnectionError(error, this.#place));
  }

  onSilent(session: Session): void {
    if (session !== this.#session || this.#status !== 'ready') return;
    this.#tracking?.detach();
    this.#isDown(timedOut(`no sign of life for ${this.#options.livenessTimeout} ms`), 'use');
    this.#next(this.#pacing.untilRival());
  }

  onAlive(session: Session): void {
    if (session === this.#session && this.#status === 'reconnecting') this.#use(session);
  }

  /** The name of the server may lead to the new primary by now. The old session still answers commands in flight. */
  onDemoted(session: Session): void {
    if (session !== this.#session || this.#status !== 'ready' || performance.now() - this.#demotedAt < replacementInterval) return;
    this.#demotedAt = performance.now();
    this.#attempt();
  }

  readonly #track = (listener: TrackingListener): Tracking => {
    this.#tracking = new ClientTracking(listener, (args) => this.#sendNow(args));
    return this.#tracking;
  };

  #sendNow(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    return this.#session?.send(args, caller) ?? Promise.reject(this.#down());
  }

  #connect(): Deferred {
    this.#status = 'connecting';
    this.#connecting = deferred();
    this.#attempt();
    return this.#connecting;
  }

  #attempt(): void {
    const session = this.#prepared ?? this.#open(this);
    this.#prepared = undefined;
    const attempt = this.#attempts.add(session);
    session.connect().then(
      () => this.#succeeded(attempt),
      (error) => this.#failed(attempt, error),
    );
    if (this.#status !== 'ready' && !this.#hasOwnPacing) this.#next(this.#pacing.untilNext(this.#lateAttempts));
  }

  readonly #onTimeout = ({ session, phase }: Attempt, error: Error): void => {
    if (this.#status === 'ready' || this.#hasOwnPacing) session.end(error);
    else {
      this.#lateAttempts++;
      this.#isDown(error, phase);
    }
  };

  #succeeded(attempt: Attempt): void {
    if (!this.#attempts.ended(attempt)) return;
    this.#pacing.learn(attempt.cost(this.#options.socket.tls === true));
    this.#use(attempt.session);
  }

  #use(session: Session): void {
    const [old, wasReady] = [this.#session, this.#status === 'ready'];
    this.#stop('ready');
    this.#session = session;
    // A strategy of the application counts as node-redis does.
    if (this.#hasOwnPacing) this.#retries = new Retries();
    this.#retries.up();
    this.#lateAttempts = 0;
    this.#replaced.replace(old, session, wasReady ? this.#options.livenessTimeout : 0, this.#lastError);
    this.#lastError = undefined;
    this.#tracking?.detach();
    if (session.client) this.#tracking?.attach(session.client as ExternalClient);
    this.#connecting?.resolve();
  }

  #failed(attempt: Attempt, error: unknown): void {
    if (!this.#attempts.ended(attempt) || this.#status === 'ready') return;
    this.#isDown(error, attempt.phase);
    this.#retry(error);
  }

  #isDown(cause: unknown, phase: ConnectionPhase): void {
    this.#lastError = toConnectionError(cause, this.#place, phase);
    this.#status = 'reconnecting';
    this.#connecting?.reject(this.#down());
    this.#options.onError(toConnectionError(cause, this.#place, phase));
  }

  #retry(cause: unknown, wasSteady = false): void {
    const { reconnectStrategy: strategy } = this.#options.socket;
    const delay = wasSteady && strategy === undefined ? 0 : retryIn(strategy, this.#retries.next(), cause, this.#options.onError);
    if (delay !== undefined) this.#next(delay);
    else if (this.#attempts.size === 0 && this.#status === 'reconnecting') {
      // Given up. The next call tries again.
      this.#session?.end(this.#down());
      this.#session = undefined;
      this.#stop('idle');
    }
  }

  #next(delay: Milliseconds): void {
    // A listener or strategy of the application may have closed it meanwhile.
    if (this.#status !== 'closed') this.#attempts.schedule(delay, () => this.#attempt());
  }

  #stop(status: Status): void {
    this.#status = status;
    this.#attempts.stop(this.#down());
  }

  #down(): ConnectionError | ClosedError {
    return this.#status === 'closed' ? new ClosedError() : (this.#lastError ?? toConnectionError(undefined, this.#place));
  }
}
