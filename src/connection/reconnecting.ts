import { ClosedError, type ConnectionError } from '../errors.js';
import { clearTimeout, performance, setTimeout } from '../time/clock.js';
import type { Milliseconds } from '../ttl.js';
import { Attempt, type AttemptTimes } from './attempt.js';
import type { SocketOptions } from './client/client-options.js';
import type { Argument, Caller, Connection, OnError, Receiver, Reply, Route, Status, Tracking, TrackingListener } from './connection.js';
import type { Link, LinkOwner } from './link.js';
import { maxAttempts, maxGap, Patience } from './patience.js';
import { replacementInterval, retryIn } from './reconnect.js';
import { toConnectionError } from './reply-errors.js';
import type { ExternalClient } from './target.js';
import { ClientTracking } from './tracking/tracking.js';

export interface ReconnectingOptions {
  readonly socket: SocketOptions;
  readonly livenessTimeout: Milliseconds;
  readonly handshakeTimeout: Milliseconds;
  readonly onError: OnError;
}

/**
 * A connection that comes back: over one link after another. Calls do not wait for that. They share the first attempt to connect, and fail at
 * once while the connection is known to be down. A link that has gone silent is kept while another is opened beside it: whichever works
 * first is used.
 */
export class ReconnectingConnection implements Connection, LinkOwner {
  readonly sendFor: Connection['sendFor'];
  readonly track: Connection['track'];
  readonly #open: (owner: LinkOwner) => Link;
  readonly #options: ReconnectingOptions;
  readonly #times: AttemptTimes;
  /** The application says when attempts end, or when the next begins. */
  readonly #isTheirs: boolean;
  readonly #patience: Patience;
  #status: Status = 'idle';
  /** The link in use: kept while it is silent. */
  #link: Link | undefined;
  /** Opened for {@link client} before it is needed. */
  #prepared: Link | undefined;
  readonly #attempts = new Map<Link, Attempt>();
  #timer: NodeJS.Timeout | undefined;
  #retries = 0;
  #lateAttempts = 0;
  #connecting: { readonly promise: Promise<void>; resolve(): void; reject(error: Error): void } | undefined;
  #lastError: unknown;
  #demotedAt = Number.NEGATIVE_INFINITY;
  #tracking: ClientTracking | undefined;

  /** `kind`: whether links take receivers, or have clients that can be tracked. */
  constructor(open: (owner: LinkOwner) => Link, options: ReconnectingOptions, kind: 'lean' | 'client') {
    const { socket, livenessTimeout, handshakeTimeout } = options;
    this.#open = open;
    this.#options = options;
    this.#times = { connection: socket.connectTimeout ?? livenessTimeout, handshake: handshakeTimeout };
    this.#isTheirs = socket.connectTimeout !== undefined || socket.reconnectStrategy !== undefined;
    this.#patience = new Patience(livenessTimeout / 2, socket.tls ? Math.max(maxGap, handshakeTimeout) : handshakeTimeout);
    this.sendFor = kind === 'lean' ? this.#sendFor : undefined;
    this.track = kind === 'client' ? this.#track : undefined;
  }

  get status(): Status {
    return this.#status;
  }

  /** The client in use, or else the one that will be. */
  get client(): unknown {
    const link = this.#link ?? [...this.#attempts.keys()].at(-1);
    if (!link && this.track && this.#status !== 'closed') this.#prepared ??= this.#open(this);
    return (link ?? this.#prepared)?.client;
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
    return this.#status === 'ready' ? (this.#link as Link).send(args, caller) : this.ready().then(() => this.#sendNow(args, caller));
  }

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    const link = this.#link;
    const wasSilent = this.#status === 'reconnecting';
    this.#status = 'closed';
    this.#tracking?.detach();
    clearTimeout(this.#timer);
    this.#connecting?.reject(new ClosedError());
    this.#endAttempts();
    if (wasSilent) link?.end(new ClosedError());
    else await link?.close(grace);
  }

  connected(link: Link): void {
    this.#attempts.get(link)?.step('handshake');
  }

  lost(link: Link, error: unknown): void {
    if (link !== this.#link || this.#status === 'closed') return;
    this.#link = undefined;
    this.#tracking?.detach();
    this.#isDown(error);
    this.#retry(error);
  }

  left(link: Link): void {
    if (link !== this.#link || this.#status === 'closed') return;
    this.#link = undefined;
    this.#tracking?.detach();
    this.#lastError = new Error('the application closed the client');
    this.#status = 'idle';
  }

  silent(link: Link): void {
    if (link !== this.#link || this.#status !== 'ready') return;
    this.#tracking?.detach();
    this.#isDown(new Error(`no sign of life for ${this.#options.livenessTimeout} ms`));
    this.#next(this.#patience.untilRival());
  }

  alive(link: Link): void {
    if (link === this.#link && this.#status === 'reconnecting') this.#use(link);
  }

  /** The name of the server may lead to the new primary by now. The old link still answers commands in flight. */
  demoted(link: Link): void {
    if (link !== this.#link || this.#status !== 'ready' || performance.now() - this.#demotedAt < replacementInterval) return;
    this.#demotedAt = performance.now();
    this.#attempt();
  }

  readonly #sendFor = (receiver: Receiver, args: readonly Argument[]): void => {
    if (this.#link?.sendFor) this.#link.sendFor(receiver, args);
    else receiver.reject(this.#status === 'closed' ? new ClosedError() : this.#down());
  };

  readonly #track = (listener: TrackingListener): Tracking => {
    this.#tracking = new ClientTracking(listener, (args) => this.#sendNow(args));
    return this.#tracking;
  };

  #sendNow(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    if (this.#link) return this.#link.send(args, caller);
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
    const link = this.#prepared ?? this.#open(this);
    this.#prepared = undefined;
    const attempt = new Attempt(link, this.#times, this.#late);
    this.#attempts.set(link, attempt);
    link.connect().then(
      () => this.#won(attempt),
      (error) => this.#failed(attempt, error),
    );
    if (this.#status !== 'ready' && !this.#isTheirs) this.#next(this.#patience.untilNext(this.#lateAttempts));
  }

  readonly #late = ({ link }: Attempt, error: Error): void => {
    if (this.#status === 'ready' || this.#isTheirs) link.end(error);
    else {
      this.#lateAttempts++;
      this.#isDown(error);
    }
  };

  #won(attempt: Attempt): void {
    attempt.stop();
    if (!this.#attempts.delete(attempt.link)) return;
    this.#patience.learn(attempt.took);
    this.#use(attempt.link);
  }

  #use(link: Link): void {
    const [old, isSilent] = [this.#link, this.#status !== 'ready'];
    clearTimeout(this.#timer);
    this.#endAttempts();
    this.#link = link;
    this.#status = 'ready';
    this.#retries = this.#lateAttempts = 0;
    if (old && old !== link && isSilent) old.end(this.#down());
    else if (old && old !== link) void old.close(this.#options.livenessTimeout);
    this.#lastError = undefined;
    this.#tracking?.detach();
    if (link.client) this.#tracking?.attach(link.client as ExternalClient);
    this.#connecting?.resolve();
  }

  #failed(attempt: Attempt, error: unknown): void {
    attempt.stop();
    if (!this.#attempts.delete(attempt.link) || this.#status === 'ready') return;
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
      this.#link?.end(this.#down());
      this.#link = undefined;
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
      attempt.link.end(new ClosedError());
    }
  }

  #down(): ConnectionError {
    return toConnectionError(this.#lastError);
  }
}
