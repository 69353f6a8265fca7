import type { Milliseconds } from '../ttl.js';
import { ClientConnection } from './client.js';
import type { Connection } from './connection.js';
import { answeredWithin } from './in-one-time.js';
import type { ClientOptions } from './target.js';

/** The first that is fulfilled, within `time`; else why the first of them failed. */
export async function firstAnswer<T>(asked: readonly Promise<T>[], time: Milliseconds): Promise<T> {
  try {
    return await answeredWithin(Promise.any(asked), time);
  } catch (error) {
    throw error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  }
}

/** Asks one node over a connection of its own, made for this and closed again, whatever becomes of it within `time`. */
export async function askedOnce<T>(options: ClientOptions, time: Milliseconds, work: (connection: Connection) => Promise<T>): Promise<T> {
  const socket = { ...options.socket, reconnectStrategy: false } as NonNullable<ClientOptions['socket']>;
  const connection = ClientConnection.open({ ...options, socket }, time, () => {});
  try {
    return await firstAnswer([work(connection)], time);
  } finally {
    await connection.close(0);
  }
}
