import { ClosedError, type ConnectionError } from '../errors.js';
import { clearTimeout, performance, setTimeout } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import { Attempt, type AttemptTimes } from './attempt.js';
import type { SocketOptions } from './client/client-options.js';
import type { Argument, Caller, Connection, OnError, Receiver, Reply, Route, Status, Tracking, TrackingListener } from './connection.js';
import { maxAttempts, maxGap, Pacing } from './pacing.js';
import { replacementInterval, retryIn } from './reconnect.js';
import { toConnectionError } from './reply-errors.js';
import type { Session, SessionListener } from './session.js';
import type { ExternalClient } from './target.js';
import { ClientTracking } from './tracking/tracking.js';

export interface ReconnectingOptions {
  readonly socket: SocketOptions;
  readonly livenessTimeout: Milliseconds;
  readonly handshakeTimeout: Milliseconds;
  readonly onError: OnError;
}

/**
 * A connection that comes back: over one session after another. Calls do not wait for that. They share the first attempt to connect, and fail at
 * once while the connection is known to be down. A session that has gone silent is kept while another is opened beside it: whichever works
 * first is used.
 */
export class ReconnectingConnection implements Connection, SessionListener {
  readonly sendFor: Connection['sendFor'];
  readonly track: Connection['track'];
  readonly #open: (listener: SessionListener) => Session;
  readonly #options: ReconnectingOptions;
  readonly #times: AttemptTimes;
  /** The application says when attempts end, or when the next begins. */
  readonly #isTheirs: boolean;
  readonly #pacing: Pacing;
  #status: Status = 'idle';
  /** The session in use: kept while it is silent. */
  #session: Session | undefined;
  /** Opened for {@link client} before it is needed. */
  #prepared: Session | undefined;
  readonly #attempts = new Map<Session, Attempt>();
  #timer: NodeJS.Timeout | undefined;
  #retries = 0;
  #lateAttempts = 0;
  #connecting: { readonly promise: Promise<void>; resolve(): void; reject(error: Error): void } | undefined;
  #lastError: unknown;
  #demotedAt = Number.NEGATIVE_INFINITY;
  #tracking: ClientTracking | undefined;

  /** `kind`: whether sessions take receivers, or have clients that can be tracked. */
  constructor(open: (listener: SessionListener) => Session, options: ReconnectingOptions, kind: 'lean' | 'client') {
    const { socket, livenessTimeout, handshakeTimeout } = options;
    this.#open = open;
    this.#options = options;
    this.#times = { connection: socket.connectTimeout ?? livenessTimeout, handshake: handshakeTimeout };
    this.#isTheirs = socket.connectTimeout !== undefined || socket.reconnectStrategy !== undefined;
    this.#pacing = new Pacing(livenessTimeout / 2, socket.tls ? Math.max(maxGap, handshakeTimeout) : handshakeTimeout);
    this.sendFor = kind === 'lean' ? this.#sendFor : undefined;
    this.track = kind === 'client' ? this.#track : undefined;
  }

  get status(): Status {
    return this.#status;
  }

  /** The client in use, or else the one that will be. */
  get client(): unknown {
    const session = this.#session ?? [...this.#attempts.keys()].at(-1);
    if (!session && this.track && this.#status !== 'closed') this.#prepared ??= this.#open(this);
    return (session ?? this.#prepared)?.client;
  }

  ready(): Promise<void> {
    switch (this.#status) {
      case 'ready':
        return Promise.resolve();
      case 'closed':
        return Promise.reject(new ClosedError());
      case 'reconnecting':
        return Promise.reject(this.#down());
      default:
        return (this.#connecting ?? this.#connect()).promise;
    }
  }

  send(args: readonly Argument[], _route?: Route, caller?: Caller): Promise<Reply> {
    return this.#status === 'ready' ? (this.#session as Session).send(args, caller) : this.ready().then(() => this.#sendNow(args, caller));
  }

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    const session = this.#session;
    const wasSilent = this.#status === 'reconnecting';
    this.#status = 'closed';
    this.#tracking?.detach();
    clearTimeout(this.#timer);
    this.#connecting?.reject(new ClosedError());
    this.#endAttempts();
    if (wasSilent) session?.end(new ClosedError());
    else await session?.close(grace);
  }

  onConnected(session: Session): void {
    this.#attempts.get(session)?.step('handshake');
  }

  onLost(session: Session, error: unknown): void {
    if (session !== this.#session || this.#status === 'closed') return;
    this.#session = undefined;
    this.#tracking?.detach();
    this.#isDown(error);
    this.#retry(error);
  }

  onLeft(session: Session): void {
    if (session !== this.#session || this.#status === 'closed') return;
    this.#session = undefined;
    this.#tracking?.detach();
    this.#lastError = new Error('the application closed the client');
    this.#status = 'idle';
  }

  onSilent(session: Session): void {
    if (session !== this.#session || this.#status !== 'ready') return;
    this.#tracking?.detach();
    this.#isDown(new Error(`no sign of life for ${this.#options.livenessTimeout} ms`));
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

  readonly #sendFor = (receiver: Receiver, args: readonly Argument[]): void => {
    if (this.#session?.sendFor) this.#session.sendFor(receiver, args);
    else receiver.reject(this.#status === 'closed' ? new ClosedError() : this.#down());
  };

  readonly #track = (listener: TrackingListener): Tracking => {
    this.#tracking = new ClientTracking(listener, (args) => this.#sendNow(args));
    return this.#tracking;
  };

  #sendNow(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    if (this.#session) return this.#session.send(args, caller);
    return Promise.reject(this.#status === 'closed' ? new ClosedError() : this.#down());
  }

  #connect(): { readonly promise: Promise<void> } {
    this.#status = 'connecting';
    const connecting = { resolve: () => {}, reject: (_: Error) => {}, promise: Promise.resolve() };
    connecting.promise = new Promise<void>((resolve, reject) => Object.assign(connecting, { resolve, reject })).finally(() => {
      this.#connecting = undefined;
    });
    this.#connecting = connecting;
    this.#attempt();
    return connecting;
  }

  #attempt(): void {
    const session = this.#prepared ?? this.#open(this);
    this.#prepared = undefined;
    const attempt = new Attempt(session, this.#times, this.#onLate);
    this.#attempts.set(session, attempt);
    session.connect().then(
      () => this.#won(attempt),
      (error) => this.#failed(attempt, error),
    );
    if (this.#status !== 'ready' && !this.#isTheirs) this.#next(this.#pacing.untilNext(this.#lateAttempts));
  }

  readonly #onLate = ({ session }: Attempt, error: Error): void => {
    if (this.#status === 'ready' || this.#isTheirs) session.end(error);
    else {
      this.#lateAttempts++;
      this.#isDown(error);
    }
  };

  #won(attempt: Attempt): void {
    attempt.stop();
    if (!this.#attempts.delete(attempt.session)) return;
    this.#pacing.learn(attempt.took);
    this.#use(attempt.session);
  }

  #use(session: Session): void {
    const [old, isSilent] = [this.#session, this.#status !== 'ready'];
    clearTimeout(this.#timer);
    this.#endAttempts();
    this.#session = session;
    this.#status = 'ready';
    this.#retries = this.#lateAttempts = 0;
    if (old && old !== session && isSilent) old.end(this.#down());
    else if (old && old !== session) void old.close(this.#options.livenessTimeout);
    this.#lastError = undefined;
    this.#tracking?.detach();
    if (session.client) this.#tracking?.attach(session.client as ExternalClient);
    this.#connecting?.resolve();
  }

  #failed(attempt: Attempt, error: unknown): void {
    attempt.stop();
    if (!this.#attempts.delete(attempt.session) || this.#status === 'ready') return;
    this.#isDown(error);
    this.#retry(error);
  }

  #isDown(error: unknown): void {
    this.#lastError = error;
    this.#status = 'reconnecting';
    this.#connecting?.reject(this.#down());
    this.#options.onError(this.#down());
  }

  #retry(cause: unknown): void {
    const delay = retryIn(this.#options.socket.reconnectStrategy, this.#retries++, cause, this.#options.onError);
    if (delay !== undefined) this.#next(delay);
    else if (this.#attempts.size === 0) {
      // Given up. The next call tries again.
      this.#session?.end(this.#down());
      this.#session = undefined;
      this.#status = 'idle';
    }
  }

  #next(delay: Milliseconds): void {
    clearTimeout(this.#timer);
    if (this.#attempts.size < maxAttempts) this.#timer = setTimeout(() => this.#attempt(), delay);
  }

  #endAttempts(): void {
    const attempts = [...this.#attempts.values()];
    this.#attempts.clear();
    for (const attempt of attempts) {
      attempt.stop();
      attempt.session.end(new ClosedError());
    }
  }

  #down(): ConnectionError {
    return toConnectionError(this.#lastError);
  }
}
