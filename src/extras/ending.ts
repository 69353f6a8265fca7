import { type Mark, markStart } from '../commands/leases.js';
import type { Milliseconds } from '../ttl.js';

/** How a load of another process ended, for callers here that waited for it. */
export type Ending =
  /** Its function found nothing: this is what it gave. */
  | { readonly kind: 'nothing'; readonly value: null | undefined }
  /** It failed, or gave a value that is not stored. */
  | { readonly kind: 'unshared' };

/** How long a mark stays: longer than the longest pause between two looks of a caller that waits. */
const marked: Milliseconds = 3000;

const texts = { undefined: `${markStart}0`, null: `${markStart}n`, unshared: `${markStart}x` } as const;

const endings: Readonly<Record<string, Ending>> = {
  [texts.undefined]: { kind: 'nothing', value: undefined },
  [texts.null]: { kind: 'nothing', value: null },
};

/** For a load that failed, or gave a value that is not stored. */
export const unshared: Mark = { text: texts.unshared, time: marked };

/** For a load that gave a value which is not cacheable. */
export function refused(value: unknown): Mark {
  if (value !== undefined && value !== null) return unshared;
  return { text: value === null ? texts.null : texts.undefined, time: marked };
}

/** For a renewal that failed: no process renews for so long. */
export function resting(time: Milliseconds): Mark {
  return { text: markStart, time };
}

/**
 * What the lease says about loads that ended since it was held as `before`. The holder after them carries it on, so that it is not missed
 * however late a caller looks.
 *
 * @returns `undefined` while it says nothing
 */
export function endingSince(before: string | undefined, holder: string): Ending | undefined {
  if (before === undefined || holder === before) return undefined;
  const at = holder.indexOf(markStart);
  return at < 0 ? undefined : (endings[holder.slice(at, at + 2)] ?? { kind: 'unshared' });
}
