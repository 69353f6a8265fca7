import { ClosedError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { worthAnotherAttempt as isRetryable } from './another-attempt.js';
import { type Commands, type Entry, type Leases, missing } from './commands.js';
import { type Clear, WaitingClears } from './waiting-clears.js';

/** The most deletions that may wait, 10 000 keys with their leases; one more fails loud, as all do without the queue. */
const most = 20_000;
const retryAfter: Milliseconds = 100;
/** How many deletions are tried at first, to see whether Redis can be reached; doubled while some succeed. */
const probe = 16;
/** A deletion that Redis refuses is tried ever less often, up to this. */
const retryRefusedAfter: Milliseconds = 30_000;

export interface ReplayingCommands extends Commands {
  /** Other commands to the same Redis, with the same deletions waiting. */
  over(commands: Commands): Commands;
  /** Whether the deletion of this key waits. */
  waits(key: string): boolean;
  /** Keeps a clear that failed with this error; until it has run, the keys it deletes read as missing. @returns false if it cannot wait */
  clearLater(error: unknown, clear: Clear): boolean;
  /** Sends what waits, now, refused deletions included; resolves when it was tried. */
  replay(): Promise<void>;
  /** Tries no more by itself. @returns how many deletions were never sent */
  stop(): number;
}

/** A deletion that waits. */
interface Waiting {
  /** How many writes that would replace it are under way. */
  writes: number;
  /** Whether it is that of a lease, which nobody asked for by name. */
  readonly lease: boolean;
  /** If Redis has refused it, which was told of: how long it waits for the next attempt, and when that is due. */
  refusal?: { readonly wait: Milliseconds; readonly due: Milliseconds };
}

/** Told of deletions that wait instead of failing, by their keys in Redis; of a clear; and of deletions that Redis then refuses. */
export type OnKept = (error: Error, what: readonly string[] | 'clear', refused?: 'refused') => void;

/**
 * Keeps deletions that cannot be sent (`invalidations: 'queue'`), the last word on each key, and sends them when Redis is
 * back. Until then, their keys read as missing in this process; a write that arrives takes the place of the deletion before it, and
 * one that does not arrive is a deletion.
 */
export function replaying(base: Commands, onKept: OnKept): ReplayingCommands {
  /** By key in Redis. Each key is in `unsent` or in `refusals` too. */
  const waiting = new Map<string, Waiting>();
  /** To be sent as soon as Redis can be reached, in the order of their attempts. */
  const unsent = new Set<string>();
  /** Refused by Redis: each has its own next attempt, so that none of them delays what is unsent. */
  const refusals = new Set<string>();
  const clears = new WaitingClears();
  let sending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerDue = Number.POSITIVE_INFINITY;
  let stopped = false;

  function keep(error: unknown, keys: readonly (string | Buffer)[], ending: Leases = []): void {
    const leases = ending.filter((lease) => lease !== undefined);
    const names = [...leases, ...keys.map(String)];
    const room = waiting.size + names.filter((key) => !waiting.has(key)).length <= most;
    if (!isRetryable(error) || stopped || !room) throw error;
    // A new entry each time: what is under way now, a write or a replay, comes before this deletion and does not settle it.
    for (const [i, key] of names.entries()) add(key, i < leases.length);
    onKept(error as Error, keys.map(String));
    schedule();
  }

  function add(key: string, lease: boolean): void {
    waiting.set(key, { writes: 0, lease });
    refusals.delete(key);
    unsent.add(key);
  }

  function remove(key: string): void {
    waiting.delete(key);
    unsent.delete(key);
    refusals.delete(key);
  }

  /** Sets the timer to the next attempt, earlier than it was if something is due earlier. */
  function schedule(): void {
    if (stopped) return;
    const now = performance.now();
    const due = unsent.size > 0 || clears.size > 0 ? now + retryAfter : earliestRefusal();
    if (due >= timerDue) return;
    clearTimeout(timer);
    timerDue = due;
    timer = setTimeout(
      () => {
        timerDue = Number.POSITIVE_INFINITY;
        void attempt();
      },
      Math.max(0, due - now),
    );
    timer.unref();
  }

  function earliestRefusal(): Milliseconds {
    let earliest = Number.POSITIVE_INFINITY;
    for (const key of refusals) earliest = Math.min(earliest, waiting.get(key)?.refusal?.due ?? earliest);
    return earliest;
  }

  /** Makes refused deletions whose next attempt is due by this time ready to be sent. */
  function retryRefused(by: Milliseconds): void {
    for (const key of refusals) {
      if ((waiting.get(key)?.refusal?.due ?? 0) > by) continue;
      refusals.delete(key);
      unsent.add(key);
    }
  }

  /** Clears and deletions side by side: a clear of many keys takes its time. */
  async function attempt(): Promise<void> {
    // A timer may fire a little early.
    retryRefused(performance.now() + 1);
    await Promise.all([clears.send().finally(schedule), sendOnce()]);
  }

  function sendOnce(): Promise<void> {
    sending ??= send().finally(() => {
      sending = undefined;
      schedule();
    });
    return sending;
  }

  async function send(): Promise<void> {
    const told: string[] = [];
    let refusal: unknown;
    let reached = true;
    for (let [size, left] = [probe, unsent.size]; reached && left > 0; size *= 2) {
      const keys = take(Math.min(size, left));
      left -= keys.length;
      reached = false;
      await Promise.all(
        keys.map(async (key) => {
          const entry = waiting.get(key);
          if (!entry || entry.writes > 0) return;
          try {
            await base.drop(key);
            settled(key, entry);
            reached = true;
          } catch (error) {
            if (isRetryable(error) || error instanceof ClosedError) return;
            reached = true;
            if (waiting.get(key) !== entry) return;
            if (!entry.refusal && !entry.lease) told.push(key);
            refuse(key, entry);
            refusal = error;
          }
        }),
      );
    }
    if (told.length > 0) onKept(refusal as Error, told, 'refused');
  }

  /** Takes unsent keys and puts them at the end: keys of a part of a cluster that is down hold up no others. */
  function take(count: number): string[] {
    const keys: string[] = [];
    for (const key of unsent) {
      if (keys.length === count) break;
      keys.push(key);
    }
    for (const key of keys) {
      unsent.delete(key);
      unsent.add(key);
    }
    return keys;
  }

  function refuse(key: string, entry: Waiting): void {
    const wait = Math.min((entry.refusal?.wait ?? retryAfter) * 2, retryRefusedAfter);
    entry.refusal = { wait, due: performance.now() + wait };
    unsent.delete(key);
    refusals.add(key);
  }

  const waits = (key: string): boolean => (waiting.size > 0 && waiting.has(key)) || (clears.size > 0 && clears.hides(key));

  /** Sends the deletions that wait for these keys now. Those that come meanwhile go on waiting. */
  async function settle(keys: readonly string[]): Promise<void> {
    const due = keys.map((key) => [key, waiting.get(key)] as const);
    await base.del(keys);
    for (const [key, entry] of due) settled(key, entry);
  }

  function settled(key: string, entry: Waiting | undefined): void {
    if (waiting.get(key) === entry && entry?.writes === 0) remove(key);
  }

  /** What must find the key as it is after the deletion: waits for that. */
  const after =
    <A extends unknown[], R>(call: (key: string, ...rest: A) => Promise<R>) =>
    async (key: string, ...rest: A): Promise<R> => {
      if (waits(key)) await settle([key]);
      return call(key, ...rest);
    };

  const reading =
    <R>(read: (key: string) => Promise<R>, none: R) =>
    (key: string): Promise<R> =>
      waits(key) ? Promise.resolve(none) : read(key);

  const readingMany =
    <R>(read: (keys: readonly string[]) => Promise<R[]>, none: R) =>
    async (keys: readonly string[]): Promise<R[]> => {
      if (waiting.size === 0 && clears.size === 0) return read(keys);
      const asked = keys.filter((key) => !waits(key));
      const answers = new Map((asked.length === 0 ? [] : await read(asked)).map((answer, i) => [asked[i] as string, answer]));
      return keys.map((key) => answers.get(key) ?? none);
    };

  /**
   * A write of the whole value: once it is there, the deletion before it is of no more concern. One that cannot be sent leaves
   * what it was to replace, which would be read as if it were true: so that is to be deleted.
   */
  async function write<R>(key: string, attempt: () => Promise<R>): Promise<R> {
    const entry = waiting.get(key);
    if (entry) entry.writes++;
    try {
      const result = await attempt();
      if (entry && waiting.get(key) === entry) remove(key);
      return result;
    } catch (error) {
      replace(error, key);
      throw error;
    } finally {
      if (entry) entry.writes--;
    }
  }

  function replace(error: unknown, key: string): void {
    if (!isRetryable(error) || stopped || waiting.has(key) || waiting.size === most) return;
    add(key, false);
    schedule();
  }

  const over = (commands: Commands): Commands => ({
    ...commands,
    get: reading(commands.get, null),
    getWithTtl: reading(commands.getWithTtl, { stored: null, left: missing }),
    has: reading(commands.has, false),
    pttl: reading(commands.pttl, missing),
    getMany: readingMany(commands.getMany, null),
    hasMany: readingMany(commands.hasMany, false),
    pttlMany: readingMany(commands.pttlMany, missing),
    heads: (keys, length) => readingMany((asked) => commands.heads(asked, length), null)(keys),
    set: (key, value, ttl) => write(key, () => commands.set(key, value, ttl)),
    async setMany(entries) {
      const held = entries.map(({ key }) => waiting.get(key));
      for (const entry of held) if (entry) entry.writes++;
      try {
        const results = await commands.setMany(entries);
        for (const [i, result] of results.entries()) {
          const { key } = entries[i] as Entry;
          if (result.status === 'rejected') replace(result.reason, key);
          else if (held[i] && waiting.get(key) === held[i]) remove(key);
        }
        return results;
      } finally {
        for (const entry of held) if (entry) entry.writes--;
      }
    },
    async drop(key, lease) {
      await commands.drop(key, lease).catch((error: unknown) => keep(error, [key], [lease]));
    },
    async del(keys, leases, uncounted) {
      try {
        return await commands.del(keys, leases, uncounted);
      } catch (error) {
        keep(error, keys, leases);
        return 0;
      }
    },
    async delEach(keys, leases) {
      try {
        return await commands.delEach(keys, leases);
      } catch (error) {
        keep(error, keys, leases);
        return keys.map(() => false);
      }
    },
    add: after(commands.add),
    async fill(entry, claim) {
      const due = [claim.lease, entry.key].filter((key) => waiting.has(key));
      if (due.length > 0) await settle(due);
      return commands.fill(entry, claim);
    },
    claim: after(commands.claim),
    async retire(key, claim, mark) {
      const due = [claim.lease, key].filter((each) => waiting.has(each));
      if (due.length > 0) await settle(due);
      return commands.retire(key, claim, mark);
    },
    replace: after(commands.replace),
    getAndDelete: after(commands.getAndDelete),
    expire: after(commands.expire),
    stamp: after(commands.stamp),
    persist: after(commands.persist),
    incrBy: after(commands.incrBy),
    rename: after(commands.rename),
    async *scan(glob, cursor) {
      for await (const page of commands.scan(glob, cursor)) {
        const hidden = clears.sending ? (key: string) => waiting.has(key) : waits;
        yield waiting.size === 0 && clears.size === 0 ? page : { ...page, keys: page.keys.filter((key) => !hidden(String(key))) };
      }
    },
  });

  return {
    ...over(base),
    over,
    waits,
    clearLater(error, clear) {
      if (!isRetryable(error) || stopped || !clears.add(clear)) return false;
      onKept(error as Error, 'clear');
      schedule();
      return true;
    },
    async replay() {
      retryRefused(Number.POSITIVE_INFINITY);
      await attempt();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      return [...waiting.values()].filter(({ lease }) => !lease).length + clears.size;
    },
  };
}
