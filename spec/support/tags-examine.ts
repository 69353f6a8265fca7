import type { Event, Moment } from './tags-process.js';
import { tagsOf } from './tags-process.js';

/** What one process did, and how late it may hear of what others invalidate. */
export interface Witness {
  readonly events: readonly Event[];
  readonly late: Moment;
}

type Write = Extract<Event, { kind: 'write' }>;
type Invalidation = Extract<Event, { kind: 'invalidate' }>;

/**
 * Whether a process read what was invalidated before. A value is dead for a process where it was there already (`set` had answered, the function
 * of `getOrSet` had begun) when one of its tags was invalidated, and the process knows of that: by the answer to its own
 * call, some time after another's, or because it has read something with that tag that was written after it.
 */
export function resurrections(witnesses: readonly Witness[], ofAll: readonly string[]): { problems: string[]; hits: number; dead: number } {
  const everything = witnesses.flatMap(({ events }) => events);
  const writes = new Map(everything.flatMap((event) => (event.kind === 'write' ? [[event.value, event] as const] : [])));
  const invalidations = everything.filter((event): event is Invalidation => event.kind === 'invalidate');
  const byTag = (tag: string): Invalidation[] => invalidations.filter(({ tags }) => tags.includes(tag)).sort((a, b) => a.to - b.to);
  const all = new Map(['', 't0', 't1', 't2'].map((tag) => [tag, byTag(tag)]));
  const labels = (key: number): string[] => [...ofAll, ...tagsOf(key)];
  const problems: string[] = [];
  const dead = new Set<string>();
  let hits = 0;

  for (const [number, { events, late }] of witnesses.entries()) {
    const own = new Set(events);
    /** From when the process knows of an invalidation of a tag, by what it has read. */
    const shown = new Map<Invalidation, Moment>();
    const reads = events.filter((event) => event.kind === 'read').sort((a, b) => a.to - b.to);
    for (const { key, value, to } of reads) {
      const write = value === undefined ? undefined : writes.get(value);
      if (!write) continue;
      for (const tag of labels(key)) {
        for (const each of all.get(tag) ?? []) if (each.to <= write.asked && !shown.has(each)) shown.set(each, to);
      }
    }
    /** What was shown of one tag says nothing of the others that were invalidated by the same call. */
    const knows = (each: Invalidation, at: Moment): boolean =>
      at >= each.to + (own.has(each) ? 0 : late) || (each.tags.length === 1 && at >= (shown.get(each) ?? Number.POSITIVE_INFINITY));

    for (const { how, key, value, from } of reads) {
      if (value === undefined) continue;
      hits++;
      const write = writes.get(value);
      if (!write) problems.push(`process ${number} read ${value}, which nobody wrote`);
      else if (write.key !== key) problems.push(`process ${number} read ${value} under k${key}`);
      else if (isDead(write, from))
        problems.push(`process ${number} read ${value} of k${key} (${how}) ${(from - write.to).toFixed(1)} ms after it was written`);
      function isDead({ to }: Write, at: Moment): boolean {
        return labels(key).some((tag) => (all.get(tag) ?? []).some((each) => to <= each.from && knows(each, at)));
      }
    }
  }
  for (const { value, key, to } of writes.values()) {
    if (labels(key).some((tag) => (all.get(tag) ?? []).some(({ from }) => to <= from))) dead.add(value);
  }
  return { problems, hits, dead: dead.size };
}
