import type { History, State } from './near-history.js';
import { type Observation, type Start, tagOf } from './near-process.js';

/** How far the clocks of two processes on one machine may be apart. */
const skew = 10;

/** How old what a process serves may be, for each of its reads, and what that bound is called. */
export type Bound = (read: Start) => { readonly kind: string; readonly most: number };

export interface Findings {
  readonly problems: string[];
  readonly reads: number;
  /** The oldest read of each kind of bound, in milliseconds. */
  readonly oldest: Record<string, number>;
}

/** Holds what a process saw against what the servers did. */
export function examine(log: readonly Observation[], { states: all }: History, number: number, bound: Bound): Findings {
  const problems: string[] = [];
  const placeOf = new Map(all.flatMap((states) => states.map((state, place) => [state.value, place] as const)));
  /** By key, the place in its history before which the process cannot go back. */
  const floors = new Map<number, number>();
  const open = new Map<number, { start: Start; floor: number }>();
  const oldest: Record<string, number> = {};
  let reads = 0;
  const raise = (key: number, place: number): void => void floors.set(key, Math.max(floors.get(key) ?? 0, place));

  for (const entry of log) {
    if (entry.at === 'start') {
      open.set(entry.id, { start: entry, floor: floors.get(entry.key) ?? 0 });
      continue;
    }
    const { start, floor } = open.get(entry.id) as { start: Start; floor: number };
    open.delete(entry.id);
    if (!entry.ok) continue;
    const { key, kind, time } = start;
    const states = all[key] as readonly State[];
    /** Where nothing was there any more while the call went on: it was its own doing, or was before that. */
    const endOf = (of: readonly State[]): number => {
      const place = of.findIndex((state) => state.time >= time - skew && state.value === undefined);
      return place !== -1 && (of[place] as State).time <= entry.time + skew ? place : 0;
    };
    const wrong = (what: string): void => void problems.push(`process ${number}, ${kind} k${key}: ${what}`);

    if (kind === 'invalidate') {
      for (const [each, of] of all.entries()) if (tagOf(each) === key) raise(each, endOf(of));
    } else if (kind === 'set') {
      raise(key, placeOf.get(start.value as string) as number);
    } else if (kind === 'del' || (kind === 'take' && entry.result === undefined)) {
      raise(key, endOf(states));
    } else {
      reads++;
      const absent = entry.result === undefined || entry.result === false;
      let place: number;
      if (typeof entry.result === 'string') {
        place = placeOf.get(entry.result) as number;
        if (place < floor) wrong(`${entry.result} after ${states[floor]?.value ?? 'a deletion'} was seen`);
        const { ttl, time: set } = states[place] as State;
        if (ttl !== undefined && time > set + ttl + skew) wrong(`${entry.result} ${(time - set - ttl).toFixed(0)} ms after it expired`);
        // What was taken is not there any more.
        raise(key, kind === 'take' && states[place + 1]?.value === undefined ? place + 1 : place);
      } else {
        // What could have been there (or not) the latest: a time to live may have ended whenever it liked.
        const fits = (state: State): boolean => (absent ? state.value === undefined || state.ttl !== undefined : state.value !== undefined);
        place = states.findLastIndex((state, i) => i >= floor && state.time <= entry.time + skew && fits(state));
        if (place === -1) wrong(`${entry.result} where ${states[floor]?.value ?? 'a deletion'} was seen`);
      }
      // Stale from when the state was succeeded by another.
      const successor = states[place + 1];
      if (place === -1 || !successor) continue;
      const age = time - successor.time;
      const { kind: name, most } = bound(start);
      oldest[name] = Math.max(oldest[name] ?? 0, age);
      if (age > most + skew) wrong(`${entry.result} was ${age.toFixed(0)} ms old, where ${most.toFixed(0)} is the most (${name})`);
    }
  }
  return { problems, reads, oldest };
}
