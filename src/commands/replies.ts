import { type ReadEntry, readEntry } from '../codec/entry.js';
import type { Answer, Reply } from '../connection/connection.js';

/** How the replies of single commands are read. Made once, and not for each call. */
export const asEntry: Answer<ReadEntry> = { read: (reply) => readEntry(reply as Buffer | null) };
export const asItIs: Answer<Reply> = { read: (reply) => reply };
export const asOne: Answer<boolean> = { read: isOne };
export const asStored: Answer<boolean> = { read: (reply) => reply !== null };

export function isOne(reply: Reply): boolean {
  return reply === 1;
}

export function optionalText(reply: Reply): string | undefined {
  return reply === null || reply === undefined ? undefined : String(reply);
}

export function optionalNumber(reply: Reply): number | undefined {
  return reply === null || reply === undefined ? undefined : Number(reply);
}

export function optionalBytes(reply: Reply): Buffer | null {
  return (reply as Buffer | null | undefined) ?? null;
}
