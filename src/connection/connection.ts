import type { Tracking, TrackingListener } from './tracking.js';

/** One argument of a Redis command. */
export type Argument = string | Buffer;

/** What Redis answers: bulk strings as Buffers (views into the socket's memory: copy before keeping). */
export type Reply = Buffer | string | number | boolean | bigint | null | undefined | readonly Reply[];

/** Where a command has to go in a topology of several nodes. */
export interface Route {
  /** The first key of the command. */
  readonly key?: string | undefined;
  /** Whether a replica could answer it. */
  readonly readonly?: boolean | undefined;
  /** Every argument behind the command's name is a key: the command may be divided between nodes. */
  readonly divisible?: boolean | undefined;
  /** The node it must go to: one of {@link Connection.primaries}. */
  readonly node?: string | undefined;
}

/** Whoever a command is sent for. */
export interface Caller {
  /** Whether an answer is still waited for: a command that was not executed is not sent again where it is not. */
  readonly waiting: boolean;
  /** How long it may wait, in milliseconds. */
  readonly timeout: number;
}

/**
 * - `idle`: nothing was asked of it yet, or the last attempt to connect ended for good; the next call connects.
 * - `connecting`: the first attempt is under way; calls wait for it.
 * - `ready`: connected.
 * - `reconnecting`: known to be down; calls fail at once while it comes back in the background.
 * - `closed`: disconnected by its owner.
 */
export type Status = 'idle' | 'connecting' | 'ready' | 'reconnecting' | 'closed';

/** A way to talk to Redis. Lazy: the first command connects. */
export interface Connection {
  readonly status: Status;
  /** node-redis's client behind it, where there is one. */
  readonly client?: unknown;
  /** Resolves when connected (at once where it is); rejects with a ConnectionError where that is known not to work. */
  ready(): Promise<void>;
  /** Sends one command. Commands sent in one tick leave in one write and are answered in order. */
  send(args: readonly Argument[], route?: Route, caller?: Caller): Promise<Reply>;
  /**
   * Has the server tell the listener what changes of all that is read over this connection, from its next start on at the
   * latest. Left out where that cannot be had. Called once, before the first command.
   * @internal
   */
  track?(listener: TrackingListener): Tracking;
  /** Where the keys are on several nodes: the names of the nodes, sorted. A scan asks each. */
  readonly primaries?: (() => Promise<readonly string[]>) | undefined;
  /** Waits for what is in flight, at most `grace` milliseconds, and closes. Idempotent. */
  close(grace: number): Promise<void>;
}

/** Opens one more connection to the target of a store. Does not connect yet. */
export type OpenConnection = () => Connection;
