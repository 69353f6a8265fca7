import { isDeepStrictEqual } from 'node:util';
import { callOptions } from '../call-options.js';
import type { Codec, Stored } from '../codec/codec.js';
import { holdsExactNumbers } from '../codec/exact-numbers.js';
import { isFramed } from '../codec/frame.js';
import { bodyOf } from '../codec/tag-header.js';
import type { OrderedCommands } from '../commands/in-order.js';
import { ArgumentError, expected } from '../errors.js';

export interface ReencodeOptions {
  /** Where an earlier run got to: the `cursor` of its last progress. */
  readonly cursor?: string | undefined;
}

/** How far `reencode` has got. */
export interface ReencodeProgress {
  /** Entries looked at so far. */
  readonly scanned: number;
  /** Entries whose bytes were replaced. */
  readonly rewritten: number;
  /** Entries left as they are because they could not be read; each was emitted as `error`. */
  readonly unreadable: number;
  /**
   * Entries left as they are because their value would not come back the same: a `Map` or a `Date` that the current serializer cannot hold,
   * JSON with a number that JavaScript does not hold exactly. Other entries of the same run are rewritten.
   */
  readonly left: number;
  /** Where to go on; `'0'` when done. */
  readonly cursor: string;
}

/** What rewriting needs of the store. */
export interface RewriteParts {
  readonly codec: Codec;
  readonly commands: Pick<OrderedCommands, 'getMany' | 'replace'>;
  /** Tells of an entry that cannot be read. */
  readonly unreadable: (wire: string, error: unknown) => void;
}

/** @throws {ArgumentError} for what cannot be understood */
export function parseReencode(options: ReencodeOptions | undefined): ReencodeOptions {
  const { cursor } = callOptions('reencode', options, { cursor: true });
  if (cursor !== undefined && (typeof cursor !== 'string' || !/^\d+(@.+)?$/s.test(cursor))) {
    throw new ArgumentError(expected('cursor', 'the `cursor` of an earlier progress', cursor));
  }
  return { cursor };
}

/** Entries that `reencode` holds at once: whole values, so not many. */
export const slice = 50;

/** What became of an entry. */
export type Outcome = 'rewritten' | 'unreadable' | 'left' | 'kept';

/** Rewrites these entries as the codec would write them now, keeping their times to live. */
export async function rewrite(wires: readonly string[], parts: RewriteParts): Promise<Outcome[]> {
  const stored = await parts.commands.getMany(wires);
  return Promise.all(wires.map((wire, i) => rewriteOne(wire, stored[i] ?? null, parts)));
}

async function rewriteOne(wire: string, before: Stored | null, { codec, commands, unreadable }: RewriteParts): Promise<Outcome> {
  if (before === null) return 'kept';
  // Age and tags stay as they were: they tell when the value was made, and that is no different now.
  const inner = bodyOf(before);
  let value: unknown;
  try {
    value = await codec.decode(inner, wire);
  } catch (error) {
    unreadable(wire, error);
    return 'unreadable';
  }
  let after: Stored | undefined;
  try {
    after = await codec.reencode(inner, wire);
    if (after === undefined) return value === plainText(inner) || holdsExactNumbers(plainText(inner)) ? 'kept' : 'left';
    if (!isDeepStrictEqual(await codec.decode(after, wire), value)) return 'left';
  } catch {
    // The codec cannot write the value, or not read what it wrote.
    return 'left';
  }
  const header = before.length - inner.length;
  if (header > 0) after = Buffer.concat([(before as Buffer).subarray(0, header), Buffer.from(after as string)]);
  return (await commands.replace(wire, before, after, 'keep')) ? 'rewritten' : 'kept';
}

/** Stored JSON that describes itself; nothing for what is framed, which a store wrote from values. */
function plainText(stored: Stored): string {
  return typeof stored !== 'string' && isFramed(stored) ? '' : String(stored);
}
