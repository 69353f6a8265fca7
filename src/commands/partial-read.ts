import { type ReadEntry, readEntry } from '../codec/entry.js';
import { toReplyError } from '../connection/reply-errors.js';
import type { CacheError } from '../errors.js';

/** What a read of several keys found, by key in Redis: an error for a key that could not be read. */
export type PartialRead = ReadonlyMap<string, ReadEntry | CacheError>;

const partial = new WeakMap<object, PartialRead>();

/** What a read of several keys found although it failed with this error; `undefined` if nothing is known. */
export function partOf(error: unknown): PartialRead | undefined {
  return partial.get(Object(error));
}

/**
 * The entries in the reply of MGET. A proxy such as Envoy puts an error in place of a value that it could not fetch: that is no value.
 *
 * @throws the first such error; {@link partOf} has the rest
 */
export function entriesOf(keys: readonly string[], replies: readonly (Buffer | null | Error)[]): ReadEntry[] {
  // Buffers first: whether something is an Error takes several times as long.
  for (const reply of replies)
    if (reply !== null && !(reply instanceof Buffer) && reply instanceof Error) throw partlyFailed(keys, replies);
  return (replies as readonly (Buffer | null)[]).map(readEntry);
}

function partlyFailed(keys: readonly string[], replies: readonly (Buffer | null | Error)[]): CacheError {
  const read = keys.map((_, i) => {
    const reply = replies[i];
    return reply instanceof Error ? toReplyError(reply) : readEntry(reply);
  });
  const error = toReplyError(replies.find((reply) => reply instanceof Error) as Error);
  partial.set(error, new Map(keys.map((key, i) => [key, read[i] as ReadEntry | CacheError])));
  return error;
}
