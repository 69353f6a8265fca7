import { type EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { RESP_TYPES } from '@redis/client';
import { ReadOnlyError } from '../../errors.js';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { Argument, Caller, PendingReply, Receiver, Reply } from '../connection.js';
import { LivenessMonitor } from '../liveness.js';
import { Outgoing } from '../outgoing.js';
import type { Place } from '../place.js';
import { isReplyError, isUnsent, toConnectionError, toReplyError, toSendError } from '../reply-errors.js';
import type { Session, SessionBounds, SessionListener } from '../session.js';
import type { ExternalClient } from '../target.js';
import { addListeners } from './listeners.js';
import { openedSocket, resetSocket } from './opened-socket.js';

export interface ClientSessionOptions extends SessionBounds {
  /** Makes a client that does not reconnect, and whose socket is destroyed when the signal is aborted. */
  readonly make: (signal: AbortSignal) => ExternalClient;
  /** node-redis's own timeout of commands; 0 for none. */
  readonly commandTimeout: Milliseconds;
  readonly place: Place;
}

/** A session over a node-redis client. */
export class ClientSession implements Session {
  readonly client: ExternalClient;
  readonly #listener: SessionListener;
  readonly #place: Place;
  readonly #liveness: LivenessMonitor;
  readonly #outgoing: Outgoing;
  readonly #sender: { sendCommand(args: readonly Argument[]): Promise<Reply> };
  /** Unknown over TLS. */
  #socket: Socket | undefined;
  /** Bytes of what the server pushed: they come although commands may be lost. */
  #pushed = 0;
  /** The others. A push that is on its way is among them for a moment. */
  #answered = 0;
  #isReady = false;
  /** Why it was ended. */
  #end: Error | undefined;
  readonly #ending = new AbortController();

  constructor({ make, commandTimeout, livenessTimeout, maxPendingBytes, place }: ClientSessionOptions, listener: SessionListener) {
    this.client = make(this.#ending.signal);
    this.#listener = listener;
    this.#place = place;
    this.#liveness = new LivenessMonitor(livenessTimeout, {
      onSilent: () => listener.onSilent(this),
      onAlive: () => listener.onAlive(this),
      progress: () => this.#progress(),
    });
    this.#outgoing = new Outgoing({
      write: (args, pending, caller) => this.#write(args, pending, caller),
      maxPendingBytes,
      socket: () => this.#socket,
      commands: this.#liveness,
      onStuck: (error) => this.#lost(error),
    });
    // node-redis's own timeout makes an AbortSignal for each command, and no longer applies once the command is written.
    this.#sender = this.client.withCommandOptions({ timeout: commandTimeout, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } });
    // They stay: a client that was ended may still report the end of its attempt to connect, and without a listener crash the process.
    addListeners(this.client, { connect: this.#onConnect, error: this.#onError, end: this.#onClosed, invalidate: this.#onPush });
  }

  async connect(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      this.end(toConnectionError(error, this.#place, 'handshake'));
      throw error;
    }
    if (this.#end) throw this.#end;
    this.#isReady = true;
  }

  send(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    return new Promise((resolve, reject) => this.#outgoing.send(args, { resolve, reject }, caller));
  }

  sendFor(receiver: Receiver, args: readonly Argument[]): void {
    this.#outgoing.send(args, receiver, receiver);
  }

  async close(grace: Milliseconds, error: Error): Promise<void> {
    try {
      if (grace > 0 && this.client.isOpen) await waitAtMost(this.client.close(), grace);
    } finally {
      this.end(error);
    }
  }

  end(error: Error): void {
    if (this.#end) return;
    this.#end = error;
    if (this.#liveness.settled < this.#liveness.sent) resetSocket(this.#socket);
    this.#liveness.stop();
    this.#outgoing.stop(error);
    this.client.destroy();
    // node-redis does not reach a socket that is still connecting.
    this.#ending.abort();
  }

  #connect(): Promise<unknown> {
    // The application may have connected it: it can get it from the store.
    if (this.client.isReady) return Promise.resolve();
    if (this.client.isOpen) return once(this.client as unknown as EventEmitter, 'ready');
    this.#listener.onStep(this, 'connection');
    let connecting: Promise<unknown> = Promise.resolve();
    this.#socket = openedSocket(() => {
      connecting = this.client.connect();
    });
    return connecting;
  }

  #write(args: readonly Argument[], pending: PendingReply, caller: Caller | undefined): void {
    this.#liveness.onSent(caller?.timeout);
    this.#sender.sendCommand(args).then(
      (reply) => {
        this.#onSettled();
        pending.resolve(reply);
      },
      (error: unknown) => {
        this.#onSettled();
        pending.reject(this.#failure(error));
      },
    );
  }

  #onSettled(): void {
    this.#liveness.onSettled();
    this.#outgoing.answered();
  }

  #failure(error: unknown): Error {
    if (!isReplyError(error)) return this.#end ?? toSendError(error, this.client, this.#place);
    const refused = toReplyError(error as Error, { ...this.#place, phase: 'use' });
    if (refused instanceof ReadOnlyError) this.#listener.onDemoted(this);
    return refused;
  }

  #progress(): number {
    this.#outgoing.look();
    this.#answered = Math.max(this.#answered, (this.#socket?.bytesRead ?? 0) - this.#pushed);
    return this.#answered + this.#outgoing.drained;
  }

  #lost(error: unknown): void {
    this.end(toConnectionError(error, this.#place, 'use'));
    this.#listener.onLost(this, error);
  }

  readonly #onConnect = (): void => {
    if (!this.#end) this.#listener.onStep(this, 'handshake');
  };

  readonly #onError = (error: unknown): void => {
    if (!this.#isReady || this.#end) return;
    if (this.client.isReady && keepsReplies(error)) this.#listener.onError(this, error);
    else this.#lost(error);
  };

  readonly #onPush = (key: Buffer | string | null): void => {
    this.#pushed += sizeOfPush(key);
  };

  readonly #onClosed = (): void => {
    if (!this.#isReady || this.#end) return;
    this.#liveness.stop();
    this.#listener.onClosedByApplication(this);
  };
}

/** The bytes of an invalidation of one key, or of all. */
function sizeOfPush(key: Buffer | string | null): number {
  const [start, all] = ['>2\r\n$10\r\ninvalidate\r\n', '_\r\n'];
  if (key === null) return start.length + all.length;
  const length = Buffer.byteLength(key);
  return start.length + `*1\r\n$${length}\r\n\r\n`.length + length;
}

/**
 * Whether a client that is ready goes on rightly after this error. After bytes that are no reply, or a listener that throws, node-redis goes
 * on with a reply too few: later ones would answer other commands.
 */
export function keepsReplies(error: unknown): boolean {
  return isReplyError(error) || isUnsent(error);
}
