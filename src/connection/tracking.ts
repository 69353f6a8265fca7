import { CommandError, UnavailableError, UnsupportedError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Argument, Reply } from './connection.js';
import type { ClientOptions, GivenClient } from './target.js';

/** Told of what the server says about the keys that were read over a connection. */
export interface TrackingListener {
  /** From now on a change of any key that is read over the connection from now on is told. */
  started(): void;
  /** Changes may go untold from now on: the connection is lost, or about to be replaced. It may start again. */
  stopped(): void;
  /** Tracking cannot be had, and why. It may still start on a later connection. */
  refused(reason: Error): void;
  /** The key has changed or is gone; `null`: any key may have. */
  invalidated(key: string | null): void;
}

/** Server-assisted invalidation on a connection. A connection of many nodes does the same on each of them. */
export interface Tracking {
  /**
   * Asks the server, over the connection that tracks, whether it still does. When this resolves, every change that the server
   * made before it was asked has been told. Rejects where the server does not answer so, or cannot be asked. No deadline.
   */
  confirm(): Promise<void>;
  /** Stops listening. */
  close(): void;
}

/** When a server that could not answer for the moment is asked to track again. */
const again: Milliseconds = 500;

/** Clients of ours that emit what the server pushes. */
const hearing = new WeakSet<object>();

/**
 * Makes a client that can be tracked, where its protocol has pushes. node-redis would ask for tracking in its handshake, so that a
 * server which refuses tracking could not be connected to at all; only its ear for pushes is wanted.
 */
export function trackable<Client extends object>(options: ClientOptions, create: (options: ClientOptions) => Client): Client {
  const { RESP = 3 } = options;
  if (RESP !== 3) return create(options);
  // A managed server that moves would take the connection elsewhere without a word, and tracking would be lost.
  const own: ClientOptions = { ...options, RESP, emitInvalidate: true, maintNotifications: 'disabled' };
  const client = create(own);
  Object.assign(own, { emitInvalidate: false });
  hearing.add(client);
  return client;
}

/**
 * CLIENT TRACKING in its default mode, on one node-redis client: Redis remembers which keys were read over the connection and
 * pushes the name of each that changes, in order with the replies. Own writes included: see `docs/decisions.md`.
 */
export class ClientTracking implements Tracking {
  readonly #listener: TrackingListener;
  readonly #send: (args: readonly Argument[]) => Promise<Reply>;
  #client: GivenClient | undefined;
  #session = 0;

  constructor(listener: TrackingListener, send: (args: readonly Argument[]) => Promise<Reply>) {
    this.#listener = listener;
    this.#send = send;
  }

  /** Tracks on this client, on every connection it makes. */
  attach(client: GivenClient): void {
    if (!hearing.has(client) && client.options?.emitInvalidate !== true) {
      this.#listener.refused(new UnsupportedError('it needs RESP 3, and a `client` of your own that was made with `emitInvalidate: true`'));
      return;
    }
    this.#client = client;
    client.on('invalidate', this.#onInvalidate).on('ready', this.#onReady);
    for (const event of lost) client.on(event, this.#onLost);
    if (client.isReady) this.#onReady();
  }

  /** Stops tracking on the client it is attached to. */
  detach(): void {
    const client = this.#client;
    if (!client) return;
    this.#client = undefined;
    this.#session++;
    client.off('invalidate', this.#onInvalidate).off('ready', this.#onReady);
    for (const event of lost) client.off(event, this.#onLost);
    this.#listener.stopped();
  }

  async confirm(): Promise<void> {
    const session = this.#session;
    const info = await this.#send(['CLIENT', 'TRACKINGINFO']);
    if (session !== this.#session || !says(info, 'on')) throw new UnsupportedError('the server does not track this connection');
  }

  close(): void {
    this.detach();
  }

  readonly #onReady = (): void => {
    void this.#start(++this.#session);
  };

  readonly #onLost = (): void => {
    // node-redis emits `error` for more than a lost connection.
    if (this.#client === undefined || this.#client.isReady) return;
    this.#session++;
    this.#listener.stopped();
  };

  readonly #onInvalidate = (key: Buffer | string | null): void => {
    if (this.#client !== undefined) this.#listener.invalidated(key === null ? null : String(key));
  };

  async #start(session: number): Promise<void> {
    try {
      await Promise.all([this.#send(['CLIENT', 'TRACKING', 'ON']), this.confirm()]);
      if (session === this.#session) this.#listener.started();
    } catch (error) {
      if (session !== this.#session) return;
      // A connection that was lost comes back; a refusal stays, but for that of a server that is busy.
      if (error instanceof UnavailableError) setTimeout(() => session === this.#session && void this.#start(session), again).unref();
      else if (error instanceof CommandError || error instanceof UnsupportedError) this.#listener.refused(error);
    }
  }
}

const lost = ['error', 'reconnecting', 'terminated', 'end'];

/** Whether CLIENT TRACKINGINFO lists the flag. RESP 3 gives a map, which raw commands show as an object or a flat list. */
function says(info: Reply, flag: string): boolean {
  const flags = Array.isArray(info) ? info[info.findIndex((item) => String(item) === 'flags') + 1] : (info as { flags?: Reply })?.flags;
  return Array.isArray(flags) && flags.some((item) => String(item) === flag);
}
