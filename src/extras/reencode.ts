import { callOptions } from '../call-options.js';
import type { Codec, Stored } from '../codec/codec.js';
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

/** Rewrites these entries as the codec would write them now, keeping their times to live. */
export async function rewrite(
  wires: readonly string[],
  { codec, commands, unreadable }: RewriteParts,
): Promise<('rewritten' | 'unreadable' | 'kept')[]> {
  const stored = await commands.getMany(wires);
  return Promise.all(
    wires.map(async (wire, i) => {
      const before = stored[i];
      if (before === null || before === undefined) return 'kept';
      // Age and tags stay as they were: they tell when the value was made, and that is no different now.
      const inner = bodyOf(before);
      const header = before.length - inner.length;
      let after: Stored | undefined;
      try {
        after = await codec.reencode(inner, wire);
      } catch (error) {
        unreadable(wire, error);
        return 'unreadable';
      }
      if (after === undefined) return 'kept';
      if (header > 0) after = Buffer.concat([(before as Buffer).subarray(0, header), Buffer.from(after as string)]);
      return (await commands.replace(wire, before, after, 'keep')) ? 'rewritten' : 'kept';
    }),
  );
}
