import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { ClosedError, type ConnectionError, ReadOnlyError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { retryIn } from './backoff.js';
import { type OnError, renewal } from './client.js';
import type { Argument, Caller, Connection, Reply, Route, Status } from './connection.js';
import { firstAnswer } from './first-answer.js';
import { type ParserClass, type ParserOptions, ReplyParser } from './parser.js';
import { setImmediate } from './real-time.js';
import { notConnected, refusal } from './refusals.js';
import { settledWithin } from './settled-within.js';
import { Silence } from './silence.js';
import type { ClientOptions } from './target.js';

type Waiting = { resolve(reply: Reply): void; reject(error: Error): void };

/** What node-redis's `socket` options say, as far as they are used here. */
interface SocketOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly tls?: boolean;
  readonly connectTimeout?: Milliseconds;
  readonly reconnectStrategy?: unknown;
}

/**
 * A lean connection of our own to one server (TCP, TLS or unix socket; RESP 2), with a parser of the user's choice. Commands of
 * one tick leave in one write; replies are matched in order. It comes back by itself, as node-redis does.
 */
export class DirectConnection implements Connection {
  readonly #options: ClientOptions;
  readonly #Parser: ParserClass;
  readonly #onError: OnError;
  readonly #patience: Milliseconds;
  readonly #silence: Silence;
  #status: Status = 'idle';
  #socket: Socket | undefined;
  #connecting: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retries = 0;
  #lastError: unknown;
  #lastRenewal = Number.NEGATIVE_INFINITY;
  /** Sent and not answered, oldest first: a list that is read from the front. */
  #waiting: Waiting[] = [];
  #answered = 0;
  #out = '';
  #onDrained: (() => void)[] = [];

  constructor(options: ClientOptions, parser: ParserClass | 'auto', patience: Milliseconds, onError: OnError) {
    this.#options = options;
    this.#Parser = parser === 'auto' ? ReplyParser : parser;
    this.#onError = onError;
    this.#patience = patience;
    this.#silence = new Silence(patience, () => this.#socket?.destroy(new Error(`no sign of life for ${patience} ms`)));
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

  async close(grace: Milliseconds): Promise<void> {
    if (this.#status === 'closed') return;
    this.#status = 'closed';
    clearTimeout(this.#retry);
    await this.#drained(grace);
    this.#drop(new ClosedError());
  }

  /** What is in flight has been answered, or the time is over. */
  async #drained(time: Milliseconds): Promise<void> {
    if (this.#waiting.length > 0) await settledWithin(new Promise<void>((resolve) => this.#onDrained.push(resolve)), time);
  }

  #enqueue(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    if (!this.#socket) return Promise.reject(this.#status === 'closed' ? new ClosedError() : this.#down());
    if (this.#out === '') setImmediate(this.#flush);
    this.#encode(args);
    this.#silence.asked(caller?.timeout);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Text is gathered and leaves at the end of the tick; bytes go to the socket behind it, uncopied, and leave with it. */
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

  /** One at a time. Whoever waits for it shares it; nobody has to. */
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
      const socket = await this.#open();
      this.#socket = socket;
      const told = this.#replies(socket);
      const parser = new this.#Parser(told);
      const read = (chunk: Buffer): void => {
        try {
          parser.execute(chunk);
        } catch (error) {
          told.returnFatalError(error as Error);
        }
      };
      socket.on('data', read).on('close', () => this.#lost(socket));
      const handshake = await firstAnswer([this.#handshake()], this.#patience);
      await Promise.all(handshake.map((args) => this.#enqueue(args)));
      if (this.#status === 'closed') throw new ClosedError();
      this.#status = 'ready';
      this.#lastError = undefined;
      this.#retries = 0;
    } catch (error) {
      if (this.#status !== 'closed') this.#failed(error as Error);
      throw this.#status === 'closed' ? new ClosedError() : this.#down(error);
    }
  }

  #open(): Promise<Socket> {
    const { reconnectStrategy: _, ...socketOptions } = (this.#options.socket ?? {}) as SocketOptions;
    const { host = 'localhost', port = 6379, tls, connectTimeout = this.#patience, ...rest } = socketOptions;
    const options = { noDelay: true, keepAlive: true, ...rest, ...(rest.path === undefined ? { host, port } : {}) };
    return new Promise((resolve, reject) => {
      const socket = tls ? connectTls(options as TlsOptions) : connectTcp(options as NetConnectOpts);
      this.#socket = socket;
      socket.setTimeout(connectTimeout, () => socket.destroy(new Error(`no connection within ${connectTimeout} ms`)));
      socket.once('close', () => reject(new Error('closed while connecting')));
      socket.on('error', (error) => {
        this.#lastError = error;
        reject(error);
      });
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        socket.setTimeout(0);
        resolve(socket);
      });
    });
  }

  async #handshake(): Promise<Argument[][]> {
    const { credentialsProvider: provider, database, name } = this.#options;
    const { username, password } = provider?.type === 'async-credentials-provider' ? await provider.credentials() : this.#options;
    const commands: Argument[][] = [];
    if (password !== undefined) commands.push(username === undefined ? ['AUTH', password] : ['AUTH', username, password]);
    if (name !== undefined) commands.push(['CLIENT', 'SETNAME', name]);
    if (database) commands.push(['SELECT', String(database)]);
    return commands;
  }

  /** The server has become a replica, and its name may lead to the new primary: once what is in flight is answered, it connects anew. */
  #moveOn(): void {
    if (this.#status !== 'ready' || performance.now() - this.#lastRenewal < renewal) return;
    this.#lastRenewal = performance.now();
    this.#status = 'connecting';
    void this.#attempt(this.#drained(this.#patience).then(() => this.#drop(this.#down())));
  }

  #replies(socket: Socket): ParserOptions {
    const end = (error?: Error): undefined => {
      this.#lastError = error;
      socket.destroy(error);
    };
    const next = (error?: Error): Waiting | undefined => {
      // The rest of a chunk, after the connection was left because of a reply in it: who waited was told, nobody else is meant.
      if (socket !== this.#socket || socket.destroyed) return undefined;
      // Nobody asked: Redis says why it closes.
      if (this.#waiting.length === 0) return end(error);
      const waiting = this.#waiting[this.#answered++];
      this.#silence.settled();
      if (this.#answered === this.#waiting.length) this.#settleWaiting();
      return waiting;
    };
    return {
      returnBuffers: true,
      returnReply: (reply) => next()?.resolve(reply),
      returnError: (error) => {
        const refused = refusal(error);
        next(refused)?.reject(refused);
        if (refused instanceof ReadOnlyError) this.#moveOn();
      },
      returnFatalError: end,
    };
  }

  /** The socket is gone: what was in flight fails, and only that; the connection comes back in the background. */
  #lost(socket: Socket): void {
    if (socket !== this.#socket) return;
    const wasReady = this.#status === 'ready';
    this.#drop(this.#down());
    if (wasReady) this.#failed((this.#lastError as Error | undefined) ?? new Error('connection lost'));
  }

  /** Nobody waits any more. */
  #settleWaiting(): void {
    this.#waiting = [];
    this.#answered = 0;
    for (const tell of this.#onDrained.splice(0)) tell();
  }

  #drop(error: Error): void {
    const unanswered = this.#waiting.slice(this.#answered);
    this.#settleWaiting();
    this.#out = '';
    this.#socket?.destroy();
    this.#socket = undefined;
    for (const { reject } of unanswered) {
      this.#silence.settled();
      reject(error);
    }
    this.#silence.stop();
  }

  #failed(error: Error): void {
    this.#lastError = error;
    const { reconnectStrategy: strategy } = (this.#options.socket ?? {}) as SocketOptions;
    const wait = retryIn(strategy, this.#retries++, error, this.#onError);
    this.#status = wait === undefined ? 'idle' : 'reconnecting';
    this.#drop(this.#down(error));
    this.#onError(this.#down(error));
    if (wait === undefined) return;
    this.#retry = setTimeout(() => void this.#attempt(), wait);
  }

  #down(cause: unknown = this.#lastError): ConnectionError {
    return notConnected(cause);
  }
}
