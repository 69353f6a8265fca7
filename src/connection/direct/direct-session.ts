import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { ClosedError, type ConnectionPhase, ReadOnlyError } from '../../errors.js';
import { setImmediate } from '../../time/clock.js';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { ClientOptions, SocketOptions } from '../client/client-options.js';
import { resetSocket } from '../client/opened-socket.js';
import type { Argument, Caller, PendingReply, Receiver, Reply } from '../connection.js';
import { greet, handshakeCommands } from '../handshake.js';
import { LivenessMonitor } from '../liveness.js';
import { Outgoing } from '../outgoing.js';
import { type Place, placeOf } from '../place.js';
import { toConnectionError, toReplyError } from '../reply-errors.js';
import type { Session, SessionBounds, SessionListener } from '../session.js';
import { type ParserClass, type ParserOptions, ReplyParser } from './parser.js';

/** A lean session of our own to one server, in RESP 2. Commands of one tick leave in one write. */
export class DirectSession implements Session {
  readonly #options: ClientOptions;
  readonly #place: Place;
  readonly #Parser: ParserClass;
  readonly #listener: SessionListener;
  readonly #liveness: LivenessMonitor;
  readonly #outgoing: Outgoing;
  #isReady = false;
  #wasReady = false;
  /** Why it was ended. */
  #end: unknown;
  #socket: Socket | undefined;
  /** The commands in flight in the order they were sent, behind the first `answered`, which have been answered already. */
  #pending: PendingReply[] = [];
  #answered = 0;
  #out = '';
  #onDrained: (() => void)[] = [];
  readonly #ending = new AbortController();

  constructor(options: ClientOptions, parser: ParserClass | 'auto', bounds: SessionBounds, listener: SessionListener) {
    this.#options = options;
    this.#place = placeOf(options);
    this.#Parser = parser === 'auto' ? ReplyParser : parser;
    this.#listener = listener;
    this.#liveness = new LivenessMonitor(bounds.livenessTimeout, {
      onSilent: () => listener.onSilent(this),
      onAlive: () => listener.onAlive(this),
      progress: () => this.#progress(),
    });
    this.#outgoing = new Outgoing({
      write: (args, pending, caller) => this.#write(args, pending, caller),
      maxPendingBytes: bounds.maxPendingBytes,
      socket: () => this.#socket,
      commands: this.#liveness,
      onStuck: (error) => this.#disconnect(error),
    });
  }

  async connect(): Promise<void> {
    try {
      const handshake = await handshakeCommands(this.#options, this.#ending.signal);
      if (this.#end === undefined) await this.#openSocket();
      await Promise.all([...handshake.map((args) => this.send(args)), greet({ send: (args) => this.send(args) })]);
    } catch (error) {
      this.#disconnect(error);
    }
    if (this.#end !== undefined) throw this.#end;
    this.#isReady = this.#wasReady = true;
  }

  send(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    return new Promise((resolve, reject) => this.#send(args, { resolve, reject }, caller));
  }

  sendFor(receiver: Receiver, args: readonly Argument[]): void {
    this.#send(args, receiver, receiver);
  }

  async close(grace: Milliseconds, error: Error): Promise<void> {
    if (grace > 0 && this.#pending.length > 0) await waitAtMost(new Promise<void>((resolve) => this.#onDrained.push(resolve)), grace);
    this.end(error);
  }

  end(error: Error): void {
    // It is not lost: its owner ends it.
    this.#isReady = false;
    this.#ending.abort();
    this.#disconnect(error);
  }

  #send(args: readonly Argument[], pending: PendingReply, caller: Caller | undefined): void {
    if (this.#end !== undefined) {
      pending.reject(this.#endError());
      return;
    }
    this.#outgoing.send(args, pending, caller);
  }

  #write(args: readonly Argument[], pending: PendingReply, caller: Caller | undefined): void {
    if (this.#out === '') setImmediate(this.#flush);
    this.#encode(args);
    this.#liveness.onSent(caller?.timeout);
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

  #openSocket(): Promise<void> {
    const { reconnectStrategy: _, connectTimeout: __, ...socketOptions } = (this.#options.socket ?? {}) as SocketOptions;
    const { host = 'localhost', port = 6379, tls, ...rest } = socketOptions;
    const options = { noDelay: true, keepAlive: true, ...rest, ...(rest.path === undefined ? { host, port } : {}) };
    this.#listener.onStep(this, 'connection');
    return new Promise((resolve, reject) => {
      const socket = tls ? connectTls(options as TlsOptions) : connectTcp(options as NetConnectOpts);
      this.#socket = socket;
      const handlers = this.#replyHandlers(socket);
      const parser = new this.#Parser(handlers);
      socket.on('error', (error) => this.#disconnect(error));
      socket.on('close', () => {
        const error = new Error(this.#isReady ? 'connection lost' : 'closed while connecting');
        this.#disconnect(Object.assign(error, { code: 'ECONNRESET' }));
        reject(this.#end);
      });
      socket.on('data', (chunk: Buffer) => {
        try {
          parser.execute(chunk);
        } catch (error) {
          handlers.returnFatalError(error as Error);
        }
      });
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        this.#listener.onStep(this, 'handshake');
        resolve();
      });
    });
  }

  get #phase(): ConnectionPhase {
    return this.#wasReady ? 'use' : 'handshake';
  }

  #endError(): Error {
    return this.#end instanceof ClosedError ? this.#end : toConnectionError(this.#end, this.#place, this.#phase);
  }

  #replyHandlers(socket: Socket): ParserOptions {
    const next = (error?: Error): PendingReply | undefined => {
      // A reply of this chunk made us drop the connection: the commands in flight have failed already.
      if (socket.destroyed) return undefined;
      // A reply to no command: Redis says why it closes the connection.
      if (this.#pending.length === 0) {
        this.#disconnect(error);
        return undefined;
      }
      const pending = this.#pending[this.#answered++];
      this.#liveness.onSettled();
      this.#outgoing.answered();
      if (this.#answered === this.#pending.length) this.#clearPending();
      return pending;
    };
    return {
      returnBuffers: true,
      returnReply: (reply) => next()?.resolve(reply),
      returnError: (error) => {
        const refused = toReplyError(error, { ...this.#place, phase: this.#phase });
        next(refused)?.reject(refused);
        if (refused instanceof ReadOnlyError) this.#listener.onDemoted(this);
      },
      returnFatalError: (error) => this.#disconnect(error),
    };
  }

  #progress(): number {
    this.#outgoing.look();
    return (this.#socket?.bytesRead ?? 0) + this.#outgoing.drained;
  }

  #clearPending(): void {
    this.#pending = [];
    this.#answered = 0;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  /** It is over, however it ended: commands in flight fail. */
  #disconnect(cause: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = cause ?? new Error('the server answered what was not asked');
    const unanswered = this.#pending.slice(this.#answered);
    if (unanswered.length > 0) resetSocket(this.#socket);
    this.#clearPending();
    this.#out = '';
    this.#socket?.destroy();
    this.#liveness.stop();
    if (this.#isReady) this.#listener.onLost(this, this.#end);
    this.#outgoing.stop(this.#endError());
    for (const pending of unanswered) pending.reject(this.#endError());
  }
}
