import type { Argument, Caller, Receiver, Reply } from './connection.js';

/** What a session tells. Nothing of what its owner does to it. */
export interface SessionListener {
  /** Its socket begins to connect, or is connected and begins the handshake. */
  onStep(session: Session, step: 'connection' | 'handshake'): void;
  /** It was ready and is lost. Commands in flight fail after this. */
  onLost(session: Session, error: unknown): void;
  /** The application closed its client. */
  onClosedByApplication(session: Session): void;
  /** It goes on after this error. */
  onError(session: Session, error: unknown): void;
  /** Commands are in flight, and nothing has come for the liveness timeout. */
  onSilent(session: Session): void;
  /** Something has come after that. */
  onAlive(session: Session): void;
  /** Its server has become a replica. */
  onDemoted(session: Session): void;
}

/** The bounds of a connection. */
export interface SessionBounds {
  /** How long the server may show no sign of life while commands are in flight, in milliseconds. */
  readonly livenessTimeout: number;
  /** How many bytes may wait for the network. Left out: no bound. */
  readonly maxPendingBytes?: number | undefined;
}

/** One connection to a server, from its opening to its end: it does not come back. */
export interface Session {
  /** The node-redis client, if there is one. */
  readonly client?: unknown;
  /** Opens it. Called once. Resolves after the handshake; rejects if the session ends before. */
  connect(): Promise<void>;
  send(args: readonly Argument[], caller?: Caller): Promise<Reply>;
  /** Like `send`, and the receiver takes the reply. */
  sendFor(receiver: Receiver, args: readonly Argument[]): void;
  /** Waits for commands in flight, at most `grace` milliseconds, and ends it with the error. */
  close(grace: number, error: Error): Promise<void>;
  /** Ends it at once, also while it is connecting. Commands in flight fail with the error, and so does `connect`. Idempotent. */
  end(error: Error): void;
}
