import { CommandError } from '../errors.js';
import { withTimeout } from '../time/deadlines.js';
import { abortable } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import type { ClientOptions } from './client/client-options.js';
import type { Connection } from './connection.js';

/** How long a credentials provider may take: an identity service that was idle needs seconds. */
const credentialsTimeout: Milliseconds = 10_000;

/** How long a handshake may take until callers are told. */
export const handshakeTimeoutOf = (options: ClientOptions, livenessTimeout: Milliseconds): Milliseconds =>
  livenessTimeout + (options.credentialsProvider ? credentialsTimeout : 0);

/**
 * The commands that begin a session. May ask the user's credentials provider, until the signal is aborted: before the socket opens, for a
 * server closes a connection that says nothing for long.
 */
export async function handshakeCommands(options: ClientOptions, signal: AbortSignal): Promise<string[][]> {
  const { credentialsProvider: provider, database, name } = options;
  const asked = provider?.type === 'async-credentials-provider' ? abortable(signal, () => provider.credentials()) : options;
  const { username, password } = asked instanceof Promise ? await withTimeout(asked, credentialsTimeout) : asked;
  const commands: string[][] = [];
  if (password !== undefined) commands.push(username === undefined ? ['AUTH', password] : ['AUTH', username, password]);
  if (name !== undefined) commands.push(['CLIENT', 'SETNAME', name]);
  if (database) commands.push(['SELECT', String(database)]);
  return commands;
}

/** Rejects unless this is a Redis that lets the user in. What it says of the command itself does not matter. */
export async function greet(connection: Pick<Connection, 'send'>): Promise<void> {
  try {
    await connection.send(['PING']);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
  }
}
