import { StoredEntry } from '../codec/entry.js';
import type { Connection } from '../connection/connection.js';
import { isReplyOf } from '../connection/reply-errors.js';
import { CommandError } from '../errors.js';
import type { Milliseconds, RedisTtl } from '../ttl.js';
import { maxIdLength, prefixLength } from './commands.js';
import type { RefusedCommands } from './refused.js';

/** UNLINK, or DEL. @returns how many of the keys existed */
export function unlinkOn(connection: Connection, refused: RefusedCommands, keys: readonly (string | Buffer)[]): Promise<number> {
  const route = { key: String(keys[0]), divisible: true };
  const send = (command: string) => () => connection.send([command, ...keys], route) as Promise<number>;
  return refused.either(connection, 'UNLINK', send('UNLINK'), send('DEL'));
}

/** MGET, in whose reply a proxy may put errors, or a GET for each key. Like MGET, it takes a key of another type for a missing one. */
export function getManyOn(
  connection: Connection,
  refused: RefusedCommands,
  keys: readonly string[],
  from?: 'primary',
): Promise<(Buffer | null | Error)[]> {
  const readonly = from !== 'primary';
  const getOne = (key: string): Promise<Buffer | null> =>
    unlessOtherType(connection.send(['GET', key], { key, readonly }) as Promise<Buffer | null>);
  return refused.either(
    connection,
    'MGET',
    () =>
      connection.send(['MGET', ...keys], { key: keys[0], readonly, divisible: true }) as Promise<unknown> as Promise<
        (Buffer | null | Error)[]
      >,
    () => Promise.all(keys.map(getOne)),
  );
}

/** PTTL, or TTL: then it is up to a second short, never long, for TTL rounds to the nearest second. */
export async function timeLeftOn(connection: Connection, refused: RefusedCommands, key: string): Promise<Milliseconds> {
  const send = async (command: string): Promise<number> => Number(await connection.send([command, key], { key, readonly: true }));
  return refused.either(
    connection,
    'PTTL',
    () => send('PTTL'),
    async () => {
      const seconds = await send('TTL');
      return seconds < 0 ? seconds : Math.max(0, seconds * 1000 - 500);
    },
  );
}

/** GETRANGE. `null` for a missing or empty key, and for one of another type. */
export async function prefixOn(connection: Connection, key: string, length: number): Promise<Buffer | null> {
  const prefix = await unlessOtherType(
    connection.send(['GETRANGE', key, '0', String(length - 1)], { key, readonly: true }) as Promise<Buffer | null>,
  );
  return prefix?.length ? prefix : null;
}

function unlessOtherType<T>(reply: Promise<T>): Promise<T | null> {
  return reply.catch((error: unknown) => {
    if (isReplyOf(error, 'wrong type')) return null;
    throw error;
  });
}

/** GETDEL without scripts: of several callers the one whose DEL finds the key gets the value. A write between the two is lost. */
export async function takeOn(connection: Connection, key: string): Promise<Buffer | null> {
  const value = (await connection.send(['GET', key], { key })) as Buffer | null;
  if (value === null) return null;
  return Number(await connection.send(['DEL', key], { key })) === 1 ? value : null;
}

/** `expire` without scripts: goes on, until the deadline of the call, if an entry with another stale window has taken the place of the first. */
export async function expireOn(connection: Connection, key: string, ttl: RedisTtl): Promise<Buffer | null> {
  let prefix = await prefixOn(connection, key, prefixLength);
  for (;;) {
    const staleFor = windowOf(prefix);
    const [exists, now] = await Promise.all([setTimeLeft(connection, key, ttl, staleFor), prefixOn(connection, key, prefixLength)]);
    if (!exists) return null;
    if (windowOf(now) === staleFor) return now ?? Buffer.alloc(0);
    prefix = now;
  }
}

function windowOf(prefix: Buffer | null): Milliseconds {
  return prefix === null ? 0 : StoredEntry.parse(prefix).staleFor;
}

/** @returns whether the key exists */
async function setTimeLeft(connection: Connection, key: string, ttl: RedisTtl, more = 0): Promise<boolean> {
  if (ttl !== undefined) return Number(await connection.send(['PEXPIRE', key, String(ttl + more)], { key })) === 1;
  const [, exists] = await Promise.all([connection.send(['PERSIST', key], { key }), connection.send(['EXISTS', key], { key })]);
  return Number(exists) === 1;
}

/** `ensureGeneration` without scripts. Others may change the key meanwhile: a generation that ends early makes entries miss, no more. */
export async function ensureGenerationOn(
  connection: Connection,
  refused: RefusedCommands,
  key: string,
  id: string | undefined,
  ttl: RedisTtl,
): Promise<string | undefined> {
  for (;;) {
    const [found, left] = await Promise.all([connection.send(['GET', key], { key }), timeLeftOn(connection, refused, key)]);
    if (found !== null) {
      const known = String(found);
      if (known.length > maxIdLength || !/^[\w-]+$/.test(known))
        throw new CommandError('the key of a tag holds something else than a generation');
      if (left >= 0 && (ttl === undefined || left < ttl)) await setTimeLeft(connection, key, ttl);
      return known;
    }
    if (id === undefined) return undefined;
    const time = ttl === undefined ? [] : ['PX', String(ttl)];
    if ((await connection.send(['SET', key, id, ...time, 'NX'], { key })) !== null) return id;
  }
}
