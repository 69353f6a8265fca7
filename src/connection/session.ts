import type { Argument, Caller, Connection, Reply } from './connection.js';

/** What a session tells its listener. */
export interface SessionListener {
  /** The socket is connected, and the handshake begins. */
  onConnected(session: Session): void;
  /** It was ready and is lost. Commands in flight have failed, or will. */
  onLost(session: Session, error: unknown): void;
  /** The application closed its client. */
  onLeft(session: Session): void;
  /** Commands are in flight, and nothing has come for the liveness timeout. */
  onSilent(session: Session): void;
  /** Something has come after that. */
  onAlive(session: Session): void;
  /** Its server has become a replica. */
  onDemoted(session: Session): void;
}

/** One connection to a server, from its opening to its end: it does not come back. */
export interface Session {
  /** The node-redis client, if there is one. */
  readonly client?: unknown;
  /** Opens it. Called once. Resolves after the handshake; rejects if the session ends before. */
  connect(): Promise<void>;
  send(args: readonly Argument[], caller?: Caller): Promise<Reply>;
  /** See {@link Connection.sendFor}. */
  readonly sendFor?: Connection['sendFor'];
  /** Waits for commands in flight, at most `grace` milliseconds, and ends it. */
  close(grace: number): Promise<void>;
  /** Ends it at once. Commands in flight fail with the error, and so does `connect`. */
  end(error: Error): void;
}
