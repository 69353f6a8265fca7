import { CommandError, UnavailableError, UnsupportedError } from '../../errors.js';
import { debug } from '../../telemetry/outages.js';
import { setTimeout } from '../../time/clock.js';
import type { Milliseconds } from '../../ttl.js';
import type { ClientOptions } from '../client/client-options.js';
import { addListeners, removeListeners } from '../client/listeners.js';
import type { Argument, Reply, Tracking, TrackingListener } from '../connection.js';
import { type Place, placeOf, redisAt } from '../place.js';
import type { ExternalClient } from '../target.js';

/** Delay before asking a server again that could not answer at the moment. */
const retryDelay: Milliseconds = 500;

/** Our own clients that emit the server's pushes. */
const withPushes = new WeakSet<object>();

/**
 * Creates a client that can be tracked, if its protocol has pushes. node-redis would turn tracking on in its handshake, and could not
 * connect to a server that refuses tracking. Only its push handling is used.
 */
export function trackable<Client extends object>(options: ClientOptions, create: (options: ClientOptions) => Client): Client {
  const { RESP = 3 } = options;
  if (RESP !== 3) return create(options);
  // A maintenance handover of a managed server moves the connection silently, and tracking is lost.
  const own: ClientOptions = { ...options, RESP, emitInvalidate: true, maintNotifications: 'disabled' };
  const client = create(own);
  Object.assign(own, { emitInvalidate: false });
  withPushes.add(client);
  return client;
}

/**
 * CLIENT TRACKING in its default mode, on one node-redis client: Redis remembers which keys were read over the connection and
 * pushes the name of each that changes, in order with the replies. Own writes included: see `docs/decisions.md`.
 */
export class ClientTracking implements Tracking {
  readonly #listener: TrackingListener;
  readonly #send: (args: readonly Argument[]) => Promise<Reply>;
  #client: ExternalClient | undefined;
  #place: Place | undefined;
  #session = 0;

  constructor(listener: TrackingListener, send: (args: readonly Argument[]) => Promise<Reply>) {
    this.#listener = listener;
    this.#send = send;
  }

  /** Tracks on this client, on every connection it makes. */
  attach(client: ExternalClient): void {
    if (!withPushes.has(client) && client.options?.emitInvalidate !== true) {
      this.#listener.refused(new UnsupportedError('it needs RESP 3, and a `client` of your own that was made with `emitInvalidate: true`'));
      return;
    }
    this.#client = client;
    this.#place = placeOf(client.options);
    addListeners(client, this.#listeners);
    if (client.isReady) this.#onReady();
  }

  /** Stops tracking on the client it is attached to. */
  detach(): void {
    const client = this.#client;
    if (!client) return;
    this.#client = undefined;
    this.#session++;
    removeListeners(client, this.#listeners);
    this.#say('off');
    this.#listener.stopped();
  }

  async confirm(): Promise<void> {
    const session = this.#session;
    const info = await this.#send(['CLIENT', 'TRACKINGINFO']);
    if (session !== this.#session || !hasFlag(info, 'on')) throw new UnsupportedError('the server does not track this connection');
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
    this.#say('off');
    this.#listener.stopped();
  };

  readonly #onInvalidate = (key: Buffer | string | null): void => {
    if (this.#client !== undefined) this.#listener.invalidated(key === null ? null : String(key));
  };

  #say(what: string): void {
    debug(() => `tracking: ${what}, ${redisAt(this.#place)}`);
  }

  readonly #listeners = {
    invalidate: this.#onInvalidate,
    ready: this.#onReady,
    error: this.#onLost,
    reconnecting: this.#onLost,
    terminated: this.#onLost,
    end: this.#onLost,
  };

  async #start(session: number): Promise<void> {
    try {
      await Promise.all([this.#send(['CLIENT', 'TRACKING', 'ON']), this.confirm()]);
      if (session !== this.#session) return;
      this.#say('on');
      this.#listener.started();
    } catch (error) {
      if (session !== this.#session) return;
      // A lost connection comes back by itself. A refusal is final, unless the server was only busy.
      this.#say(`not on, ${(error as Error).message}`);
      if (error instanceof UnavailableError) setTimeout(() => session === this.#session && void this.#start(session), retryDelay).unref();
      else if (error instanceof CommandError || error instanceof UnsupportedError) this.#listener.refused(error);
    }
  }
}

/** Whether CLIENT TRACKINGINFO lists the flag. RESP 3 gives a map, which raw commands show as an object or a flat list. */
function hasFlag(info: Reply, flag: string): boolean {
  const flags = Array.isArray(info) ? info[info.findIndex((item) => String(item) === 'flags') + 1] : (info as { flags?: Reply })?.flags;
  return Array.isArray(flags) && flags.some((item) => String(item) === flag);
}
