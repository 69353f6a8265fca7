import type { Stored } from './codec.js';
import { binaryMarker } from './frame.js';

/** What an entry carries that is served beyond its time to live, or renewed before its end. */
export interface Aging {
  /** The last milliseconds of its time in Redis, in which it is stale. */
  readonly staleFor: number;
  /** How long making the value took, in milliseconds. */
  readonly cost: number;
}

/** How the name of the frame begins: no serializer may have such a name. */
export const agingLayer = 'stale.';
/** Two numbers of at most 16 digits, and what stands around them. */
const longest = 48;

/** The bytes of an entry that ages: a frame `stale.STALEFOR.COST` around the bytes it would have otherwise, its tags included. */
export function withAging(content: Stored, { staleFor, cost }: Aging): Buffer {
  const header = Buffer.from(`?${agingLayer}${staleFor}.${cost}\0`, 'latin1');
  header[0] = binaryMarker;
  return Buffer.concat([header, typeof content === 'string' ? Buffer.from(content) : content]);
}

/** What the bytes say about ageing, and the bytes within; `undefined` for entries that do not age, which most are. */
export function agingOf(stored: Stored): (Aging & { readonly content: Buffer }) | undefined {
  // 0x73 is the `s` of the marker: nothing more is looked at in any other entry.
  if (typeof stored === 'string' || stored[0] !== binaryMarker || stored[1] !== 0x73) return undefined;
  const end = stored.subarray(0, longest).indexOf(0);
  const header = /^stale\.(\d{1,16})\.(\d{1,16})$/.exec(stored.toString('latin1', 1, Math.max(1, end)));
  if (!header) return undefined;
  return { staleFor: Number(header[1]), cost: Number(header[2]), content: stored.subarray(end + 1) };
}

/** Whether the entry may be past its time to live, which only its time in Redis tells. */
export function mayBeStale(stored: Stored | null): boolean {
  return stored !== null && (agingOf(stored)?.staleFor ?? 0) > 0;
}

/** The bytes without what they say about ageing. */
export function contentOf(stored: Stored): Stored {
  return agingOf(stored)?.content ?? stored;
}
