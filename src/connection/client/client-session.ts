import type { Socket } from 'node:net';
import { RESP_TYPES } from '@redis/client';
import { ClosedError, ReadOnlyError } from '../../errors.js';
import { waitAtMost } from '../../time/deadlines.js';
import type { Milliseconds } from '../../ttl.js';
import type { Argument, Caller, Reply } from '../connection.js';
import { LivenessMonitor } from '../liveness.js';
import { isReplyError, isUnsent, toConnectionError, toReplyError, toSendError } from '../reply-errors.js';
import type { Session, SessionListener } from '../session.js';
import type { ExternalClient } from '../target.js';
import { addListeners } from './listeners.js';
import { openedSocket } from './opened-socket.js';

/** A session over a node-redis client that does not reconnect. */
export class ClientSession implements Session {
  readonly client: ExternalClient;
  readonly #listener: SessionListener;
  readonly #liveness: LivenessMonitor;
  readonly #sender: { sendCommand(args: readonly Argument[]): Promise<Reply> };
  /** Unknown over TLS. */
  #socket: Socket | undefined;
  #isReady = false;
  /** Why it was ended. */
  #end: Error | undefined;

  constructor(client: ExternalClient, commandTimeout: Milliseconds, livenessTimeout: Milliseconds, listener: SessionListener) {
    this.client = client;
    this.#listener = listener;
    this.#liveness = new LivenessMonitor(livenessTimeout, {
      onSilent: () => listener.onSilent(this),
      onAlive: () => listener.onAlive(this),
      bytesRead: () => this.#socket?.bytesRead ?? 0,
    });
    // node-redis's own timeout makes an AbortSignal for each command, and no longer applies once the command is written.
    this.#sender = client.withCommandOptions({ timeout: commandTimeout, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } });
    // They stay: a client that was ended may still report the end of its attempt to connect, and without a listener crash the process.
    addListeners(client, { connect: this.#onConnect, error: this.#onError, end: this.#onEnd });
  }

  async connect(): Promise<void> {
    let connecting: Promise<unknown> | undefined;
    this.#socket = openedSocket(() => {
      // The application may have connected it: it can get it from the store.
      connecting = this.client.isReady ? undefined : this.client.connect();
    });
    try {
      await connecting;
    } catch (error) {
      throw this.#end ?? error;
    }
    if (this.#end) throw this.#end;
    this.#isReady = true;
  }

  send(args: readonly Argument[], caller?: Caller): Promise<Reply> {
    this.#liveness.sent(caller?.timeout);
    return this.#sender.sendCommand(args).then(this.#onReply, this.#onFailure);
  }

  async close(grace: Milliseconds): Promise<void> {
    try {
      if (this.client.isOpen) await waitAtMost(this.client.close(), grace);
    } finally {
      this.end(new ClosedError());
    }
  }

  end(error: Error): void {
    this.#end ??= error;
    this.#liveness.stop();
    // Also a socket that is still connecting.
    this.client.destroy();
  }

  readonly #onReply = (reply: Reply): Reply => {
    this.#liveness.settled();
    return reply;
  };

  readonly #onFailure = (error: unknown): never => {
    this.#liveness.settled();
    if (isReplyError(error)) {
      const refused = toReplyError(error as Error);
      if (refused instanceof ReadOnlyError) this.#listener.onDemoted(this);
      throw refused;
    }
    throw this.#end ?? toSendError(error, this.client);
  };

  readonly #onConnect = (): void => {
    if (this.#end) this.client.destroy();
    else this.#listener.onConnected(this);
  };

  readonly #onError = (error: unknown): void => {
    if (!this.#isReady || this.#end || (this.client.isReady && (isReplyError(error) || isUnsent(error)))) return;
    // After bytes that are no reply, or a listener that throws, node-redis goes on with a reply too few: later ones would answer other commands.
    this.end(toConnectionError(error));
    this.#listener.onLost(this, error);
  };

  readonly #onEnd = (): void => {
    if (!this.#isReady || this.#end) return;
    this.#liveness.stop();
    this.#listener.onLeft(this);
  };
}
