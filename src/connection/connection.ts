import type { ConnectionError } from '../errors.js';
import type { Whereabouts } from './place.js';

/** One argument of a Redis command. */
export type Argument = string | Buffer;

/** A reply of Redis. Bulk strings are Buffers, views into the socket's memory: copy them before keeping them. */
export type Reply = Buffer | string | number | boolean | bigint | null | undefined | readonly Reply[];

/** Where to send a command in a topology of several nodes. */
export interface Route {
  /** The first key of the command. */
  readonly key?: string | undefined;
  /** Whether a replica may answer it. */
  readonly readonly?: boolean | undefined;
  /** Every argument after the command's name is a key: the command may be split between nodes. */
  readonly divisible?: boolean | undefined;
  /** The node that must execute it: one of {@link Connection.primaries}. */
  readonly node?: string | undefined;
}

/** Commands that are written together. */
export interface Batch {
  /** The deadline of one of their calls has passed. */
  onOver(): void;
}

/** The call that a command belongs to. */
export interface Caller {
  /** Whether the call still waits for a reply. If not, a command that was not executed is not sent again. */
  readonly waiting: boolean;
  /** The deadline of the call, in milliseconds from its start. */
  readonly timeout: number;
  /** Set for each of its commands: with what it left. */
  batch?: Batch | undefined;
}

/** Takes the reply of a command that was sent. */
export interface PendingReply {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** Takes the reply of a command for a call, without a promise in between. */
export interface Receiver extends Caller, PendingReply {}

/** What a call with a single command answers. */
export interface Answer<T> {
  /** From the reply. */
  readonly read: (reply: Reply) => T;
  /** After an error: sends something else for the same call, or throws. */
  readonly instead?: (error: unknown, connection: Connection) => Promise<T>;
}

/**
 * - `idle`: not used yet, or the last attempt to connect was given up; the next call connects.
 * - `connecting`: the first attempt is under way; calls wait for it.
 * - `ready`: connected.
 * - `reconnecting`: known to be down; calls fail at once while it reconnects in the background.
 * - `closed`: disconnected by its owner.
 */
export type Status = 'idle' | 'connecting' | 'ready' | 'reconnecting' | 'closed';

/** Follows what the server says about the keys that were read over a connection. */
export interface TrackingListener {
  /** Every key that is read from now on is tracked: its changes are announced. */
  started(): void;
  /** The connection was lost or is being replaced: changes may go unannounced. Tracking may start again. */
  stopped(): void;
  /** Tracking is not available, for this reason. It may still start on a later connection. */
  refused(reason: Error): void;
  /** The key was changed or removed; `null`: any key may have been. */
  invalidated(key: string | null): void;
}

/** Server-assisted invalidation on a connection. A connection to several nodes tracks on each of them. */
export interface Tracking {
  /**
   * Asks the server, over the tracking connection, whether it still tracks. When this resolves, every change that the server made before it
   * was asked has been announced. Rejects if the server says no or cannot be asked. Has no deadline.
   */
  confirm(): Promise<void>;
  /** Stops listening. */
  close(): void;
}

/** Sends commands to Redis. Lazy: the first command connects. */
export interface Connection {
  readonly status: Status;
  /** The node-redis client behind it, if there is one. */
  readonly client?: unknown;
  /** Where it goes and how far it is, while it connects. Missing if it goes to several servers. */
  readonly whereabouts?: Whereabouts | undefined;
  /** Resolves once connected, at once if it is already. Rejects with a ConnectionError if it is known to be down. */
  ready(): Promise<void>;
  /** Sends one command. Commands sent in one tick leave in one write and are answered in order. */
  send(args: readonly Argument[], route?: Route, caller?: Caller): Promise<Reply>;
  /**
   * Sends one command over a connection that is `ready`, and hands its reply to the receiver without a promise. Missing if the client makes
   * one anyway. @internal
   */
  readonly sendFor?: ((receiver: Receiver, args: readonly Argument[]) => void) | undefined;
  /**
   * Tracks all keys that are read over this connection, at the latest from its next start on. Missing if the connection cannot.
   * Called once, before the first command. @internal
   */
  readonly track?: ((listener: TrackingListener) => Tracking) | undefined;
  /** The sorted names of the nodes, if the keys are on several. A scan asks each of them. */
  readonly primaries?: (() => Promise<readonly string[]>) | undefined;
  /** Waits for commands in flight, at most `grace` milliseconds, and closes. Idempotent. */
  close(grace: number): Promise<void>;
}

/** Opens one more connection to the target of a store. Does not connect yet. */
export type OpenConnection = () => Connection;

/** Receives every connection error that belongs to no operation, such as a lost socket. */
export type OnError = (error: ConnectionError) => void;
