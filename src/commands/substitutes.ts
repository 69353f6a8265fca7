import { digestOf } from '../codec/digest.js';
import { StoredEntry } from '../codec/entry.js';
import { expiredBy, isGeneration } from '../codec/generation.js';
import type { Argument, Connection, Reply } from '../connection/connection.js';
import { isReplyOf } from '../connection/reply-errors.js';
import { CommandError } from '../errors.js';
import type { KeptTtl, Milliseconds, RedisTtl } from '../ttl.js';
import { missing, never, noGeneration, prefixLength } from './commands.js';
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

/** `getAndExpire` without scripts. A write between the commands is answered as it was before, or gets the new time. */
export async function getAndExpireOn(connection: Connection, refused: RefusedCommands, key: string, ttl: RedisTtl): Promise<Buffer | null> {
  const [left, value] = await Promise.all([
    timeLeftOn(connection, refused, key),
    connection.send(['GET', key], { key }) as Promise<Buffer | null>,
  ]);
  if (value === null || (left >= 0 && left <= windowOf(value))) return null;
  if (!StoredEntry.parse(value).isTagged) await expireOn(connection, key, ttl);
  return value;
}

/** `expireUnchanged` without scripts. A write between the commands gets the new time. @returns 1 if the entry is as it was */
export async function expireUnchangedOn(
  connection: Connection,
  refused: RefusedCommands,
  key: string,
  digest: string,
  ttl: RedisTtl | 'stale',
): Promise<number> {
  const [left, value] = await Promise.all([
    timeLeftOn(connection, refused, key),
    connection.send(['GET', key], { key }) as Promise<Buffer | null>,
  ]);
  if (value === null || digestOf(value) !== digest) return 0;
  const staleFor = windowOf(value);
  if (ttl === 'stale') {
    if (left < 0 || left > staleFor) await setTimeLeft(connection, key, 0, staleFor);
  } else if (left > staleFor) await setTimeLeft(connection, key, ttl, staleFor);
  return 1;
}

/** `expireNow` without scripts. A write between the commands is ended too. @returns 1 if there was an entry */
export async function expireNowOn(connection: Connection, refused: RefusedCommands, key: string, lease?: string): Promise<number> {
  if (lease !== undefined) await unlinkOn(connection, refused, [lease]);
  const [left, prefix] = await Promise.all([timeLeftOn(connection, refused, key), prefixOn(connection, key, prefixLength)]);
  const staleFor = windowOf(prefix);
  if (staleFor === 0) return unlinkOn(connection, refused, [key]);
  if (left < 0 || left > staleFor) await connection.send(['PEXPIRE', key, String(staleFor)], { key });
  return 1;
}

/** SET with the time that a fresh entry has left, without scripts. `set`: SET, its key and its value. */
export async function setKeepingTtlOn(
  connection: Connection,
  refused: RefusedCommands,
  set: readonly Argument[],
  { otherwise, max = Number.POSITIVE_INFINITY }: KeptTtl,
): Promise<Reply> {
  const key = String(set[1]);
  const [left, prefix] = await Promise.all([timeLeftOn(connection, refused, key), prefixOn(connection, key, prefixLength)]);
  const fresh = left < 0 ? left : left - windowOf(prefix);
  const isKept = fresh > 0 || left === never;
  const time = Math.min(max, (isKept ? (left === never ? undefined : fresh) : otherwise) ?? Number.POSITIVE_INFINITY);
  return connection.send(time === Number.POSITIVE_INFINITY ? set : [...set, 'PX', String(time)], { key });
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

/** `expireGeneration` without scripts. A generation that is made between the two commands ends too, and its entries are stale. */
export async function expireGenerationOn(connection: Connection, key: string, id: string): Promise<Reply> {
  const before = (await connection.send(['GET', key], { key })) as Buffer | null;
  if (before === null) return null;
  if (!isGeneration(String(before))) throw new CommandError(noGeneration);
  return connection.send(['SET', key, expiredBy(id, String(before)), 'KEEPTTL', 'XX'], { key });
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
      if (!isGeneration(known)) throw new CommandError(noGeneration);
      if (left >= 0 && (ttl === undefined || left < ttl)) await setTimeLeft(connection, key, ttl);
      return known;
    }
    if (id === undefined) return undefined;
    const time = ttl === undefined ? [] : ['PX', String(ttl)];
    if ((await connection.send(['SET', key, id, ...time, 'NX'], { key })) !== null) return id;
  }
}

/**
 * RENAME between two nodes of a cluster: DUMP and PTTL, RESTORE, UNLINK. Not atomic: for a moment both keys hold the entry, and a write to
 * the old one meanwhile is lost with it. @returns whether it existed
 */
export async function moveAcrossSlots(connection: Connection, refused: RefusedCommands, from: string, to: string): Promise<boolean> {
  const [dump, ttl] = await Promise.all([connection.send(['DUMP', from], { key: from }), timeLeftOn(connection, refused, from)]);
  // It may expire between the two.
  if (dump === null || ttl === missing) return false;
  // To RESTORE, 0 is no end.
  const time = ttl === never ? '0' : String(Math.max(1, ttl));
  await connection.send(['RESTORE', to, time, dump as Buffer, 'REPLACE'], { key: to });
  await unlinkOn(connection, refused, [from]);
  return true;
}
