import type { Argument, Caller, Connection, Reply } from './connection.js';

/** What a link tells its owner. */
export interface LinkOwner {
  /** The socket is connected, and the handshake begins. */
  connected(link: Link): void;
  /** It was ready and is lost. Commands in flight have failed, or will. */
  lost(link: Link, error: unknown): void;
  /** The application closed its client. */
  left(link: Link): void;
  /** Commands are in flight, and nothing has come for the liveness timeout. */
  silent(link: Link): void;
  /** Something has come after that. */
  alive(link: Link): void;
  /** Its server has become a replica. */
  demoted(link: Link): void;
}

/** One connection to a server, from its opening to its end: it does not come back. */
export interface Link {
  /** The node-redis client, if there is one. */
  readonly client?: unknown;
  /** Opens it. Called once. Resolves after the handshake; rejects if the link ends before. */
  connect(): Promise<void>;
  send(args: readonly Argument[], caller?: Caller): Promise<Reply>;
  /** See {@link Connection.sendFor}. */
  readonly sendFor?: Connection['sendFor'];
  /** Waits for commands in flight, at most `grace` milliseconds, and ends it. */
  close(grace: number): Promise<void>;
  /** Ends it at once. Commands in flight fail with the error, and so does `connect`. */
  end(error: Error): void;
}
