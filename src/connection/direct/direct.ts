import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { ClosedError, type ConnectionError, ReadOnlyError } from '../../errors.js';
import { clearTimeout, performance, setImmediate, setTimeout } from '../../time/clock.js';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { ClientOptions, SocketOptions } from '../client/client-options.js';
import type { Argument, Caller, Connection, OnError, Receiver, Reply, Route, Status } from '../connection.js';
import { greet, handshakeCommands } from '../handshake.js';
import { ConnectTimer, LivenessMonitor, replacementInterval, retryIn } from '../reconnect.js';
import { toConnectionError, toReplyError } from '../reply-errors.js';
import { type ParserClass, type ParserOptions, ReplyParser } from './parser.js';

/** Takes the reply of a command that was sent. */
type Pending = Pick<Receiver, 'resolve' | 'reject'>;

/** A lean connection of our own to one server, in RESP 2. Commands of one tick leave in one write. Reconnects by itself, as node-redis does. */
export class DirectConnection implements Connection {
  readonly #options: ClientOptions;
  readonly #Parser: ParserClass;
  readonly #onError: OnError;
  readonly #livenessTimeout: Milliseconds;
  readonly #liveness: LivenessMonitor;
  #status: Status = 'idle';
  #socket: Socket | undefined;
  #connecting: Promise<void> | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #retries = 0;
  #lastError: unknown;
  #replacedAt = Number.NEGATIVE_INFINITY;
  /** The commands in flight in the order they were sent, behind the first `answered`, which have been answered already. */
  #pending: Pending[] = [];
  #answered = 0;
  #out = '';
  #onDrained: (() => void)[] = [];
  readonly #closing = new AbortController();

  constructor(options: ClientOptions, parser: ParserClass | 'auto', livenessTimeout: Milliseconds, onError: OnError) {
    this.#options = options;
    this.#Parser = parser === 'auto' ? ReplyParser : parser;
    this.#onError = onError;
    this.#livenessTimeout = livenessTimeout;
    const error = (): Error => new Error(`no sign of life for ${livenessTimeout} ms`);
    this.#liveness = new LivenessMonitor(livenessTimeout, () => this.#socket?.destroy(error()));
  }

  get status(): Status {
    return this.#status;
  }

  ready(): Promise<void> {
    if (this.#status === 'ready') return Promise.resolve();
    if (this.#status === 'closed') return Promise.reject(new ClosedError());
    if (this.#status === 'reconnecting') return Promise.reject(this.#down());
    this.#status = 'connecting';
    return this.#attempt();
  }

  send(args: readonly Argument[], _route?: Route, caller?: Caller): Promise<Reply> {
    return this.#status === 'ready' ? this.#enqueue(args, caller) : this.ready().then(() => this.#enqueue(args, caller));
  }

  sendFor(receiver: Receiver, args: readonly Argument[]): void {
    this.#write(args, receiver, receiver.timeout);
  }

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    this.#status = 'closed';
    this.#closing.abort();
    clearTimeout(this.#retryTimer);
    await this.#drained(grace);
    this.#disconnect(new ClosedError());
  }

  async #drained(time: Milliseconds): Promise<void> {
    if (this.#pending.length > 0) await waitAtMost(new Promise<void>((resolve) => this.#onDrained.push(resolve)), time);
  }

  #enqueue(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    return new Promise((resolve, reject) => this.#write(args, { resolve, reject }, caller?.timeout));
  }

  #write(args: readonly Argument[], pending: Pending, timeout?: Milliseconds): void {
    if (!this.#socket) {
      pending.reject(this.#status === 'closed' ? new ClosedError() : this.#down());
      return;
    }
    if (this.#out === '') setImmediate(this.#flush);
    this.#encode(args);
    this.#liveness.sent(timeout);
    this.#pending.push(pending);
  }

  /** Text is collected and written at the end of the tick. Bytes go to the corked socket uncopied, after the text so far. */
  #encode(args: readonly Argument[]): void {
    let text = `*${args.length}\r\n`;
    for (const arg of args) {
      if (typeof arg === 'string') text += `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`;
      else {
        this.#socket?.cork();
        this.#socket?.write(`${this.#out}${text}$${arg.length}\r\n`);
        this.#socket?.write(arg);
        this.#out = '';
        text = '\r\n';
      }
    }
    this.#out += text;
  }

  readonly #flush = (): void => {
    const out = this.#out;
    this.#out = '';
    if (out !== '') this.#socket?.write(out);
    while (this.#socket && this.#socket.writableCorked > 0) this.#socket.uncork();
  };

  /** Connects, one attempt at a time: callers share it. Its rejection is handled even if no caller waits for it. */
  #attempt(before: Promise<void> = Promise.resolve()): Promise<void> {
    this.#connecting ??= before
      .then(() => (this.#status === 'closed' ? Promise.reject(new ClosedError()) : this.#connect()))
      .finally(() => {
        this.#connecting = undefined;
      });
    this.#connecting.catch(() => {});
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    try {
      const handshake = await handshakeCommands(this.#options, this.#closing.signal);
      const socket = await this.#openSocket();
      const handlers = this.#replyHandlers(socket);
      const parser = new this.#Parser(handlers);
      socket.on('close', () => this.#onClose(socket));
      socket.on('data', (chunk: Buffer) => {
        try {
          parser.execute(chunk);
        } catch (error) {
          handlers.returnFatalError(error as Error);
        }
      });
      await Promise.all([...handshake.map((args) => this.#enqueue(args)), greet({ send: (args) => this.#enqueue(args) })]);
      if (this.#status === 'closed') throw new ClosedError();
      this.#status = 'ready';
      this.#lastError = undefined;
      this.#retries = 0;
    } catch (error) {
      if (this.#status !== 'closed') this.#failed(error as Error);
      throw this.#status === 'closed' ? new ClosedError() : this.#down(error);
    }
  }

  #openSocket(): Promise<Socket> {
    const { reconnectStrategy: _, ...socketOptions } = (this.#options.socket ?? {}) as SocketOptions;
    const { host = 'localhost', port = 6379, tls, connectTimeout = this.#livenessTimeout, ...rest } = socketOptions;
    const options = { noDelay: true, keepAlive: true, ...rest, ...(rest.path === undefined ? { host, port } : {}) };
    return new Promise((resolve, reject) => {
      const socket = tls ? connectTls(options as TlsOptions) : connectTcp(options as NetConnectOpts);
      this.#socket = socket;
      const timer = new ConnectTimer();
      timer.begin(connectTimeout, () => socket.destroy(new Error(`no connection within ${connectTimeout} ms`)));
      socket.once('close', () => reject(new Error('closed while connecting'))).once('close', () => timer.end());
      socket.on('error', (error) => {
        this.#lastError = error;
        reject(error);
      });
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        timer.end();
        resolve(socket);
      });
    });
  }

  /** The server has become a replica, and its name may lead to the new primary. Connects anew once commands in flight are answered. */
  #reconnectToPrimary(): void {
    if (this.#status !== 'ready' || performance.now() - this.#replacedAt < replacementInterval) return;
    this.#replacedAt = performance.now();
    this.#status = 'connecting';
    void this.#attempt(this.#drained(this.#livenessTimeout).then(() => this.#disconnect(this.#down())));
  }

  #replyHandlers(socket: Socket): ParserOptions {
    const end = (error?: Error): undefined => {
      this.#lastError = error;
      socket.destroy(error);
    };
    const next = (error?: Error): Pending | undefined => {
      // A reply of this chunk made us drop the connection: the commands in flight have failed already.
      if (socket !== this.#socket || socket.destroyed) return undefined;
      // A reply to no command: Redis says why it closes the connection.
      if (this.#pending.length === 0) return end(error);
      const pending = this.#pending[this.#answered++];
      this.#liveness.settled();
      if (this.#answered === this.#pending.length) this.#clearPending();
      return pending;
    };
    return {
      returnBuffers: true,
      returnReply: (reply) => next()?.resolve(reply),
      returnError: (error) => {
        const refused = toReplyError(error);
        next(refused)?.reject(refused);
        if (refused instanceof ReadOnlyError) this.#reconnectToPrimary();
      },
      returnFatalError: end,
    };
  }

  /** The socket is closed: commands in flight fail, and it reconnects in the background. */
  #onClose(socket: Socket): void {
    if (socket !== this.#socket) return;
    const wasReady = this.#status === 'ready';
    this.#disconnect(this.#down());
    if (wasReady) this.#failed((this.#lastError as Error | undefined) ?? new Error('connection lost'));
  }

  #clearPending(): void {
    this.#pending = [];
    this.#answered = 0;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  #disconnect(error: Error): void {
    const unanswered = this.#pending.slice(this.#answered);
    this.#clearPending();
    this.#out = '';
    this.#socket?.destroy();
    this.#socket = undefined;
    for (const pending of unanswered) {
      this.#liveness.settled();
      pending.reject(error);
    }
    this.#liveness.stop();
  }

  #failed(error: Error): void {
    this.#lastError = error;
    const { reconnectStrategy } = (this.#options.socket ?? {}) as SocketOptions;
    const delay = retryIn(reconnectStrategy, this.#retries++, error, this.#onError);
    this.#status = delay === undefined ? 'idle' : 'reconnecting';
    this.#disconnect(this.#down(error));
    this.#onError(this.#down(error));
    if (delay !== undefined) this.#retryTimer = setTimeout(() => void this.#attempt(), delay);
  }

  #down(cause: unknown = this.#lastError): ConnectionError {
    return toConnectionError(cause);
  }
}
