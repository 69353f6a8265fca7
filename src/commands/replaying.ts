import { clearTimeout, setTimeout } from '../connection/real-time.js';
import type { Milliseconds } from '../ttl.js';
import { worthAnotherAttempt as isRetryable } from './another-attempt.js';
import { type Commands, type Entry, type Leases, missing } from './commands.js';
import { type Clear, WaitingClears } from './waiting-clears.js';
import { WaitingDeletions } from './waiting-deletions.js';

/** How often Redis is tried while something waits for it. */
const retryAfter: Milliseconds = 100;

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

/** Told of deletions that wait instead of failing, by their keys in Redis; of a clear; and of deletions that Redis then refuses. */
export type OnKept = (error: Error, what: readonly string[] | 'clear', refused?: 'refused') => void;

/**
 * Keeps deletions that cannot be sent (`invalidations: 'queue'`), the last word on each key, and sends them when Redis is
 * back. Until then, their keys read as missing in this process; a write that arrives takes the place of the deletion before it, and
 * one that does not arrive is a deletion.
 */
export function replaying(base: Commands, onKept: OnKept): ReplayingCommands {
  const deletions = new WaitingDeletions(base.drop, (error, keys) => onKept(error, keys, 'refused'));
  const clears = new WaitingClears();
  let timer: NodeJS.Timeout | undefined;
  let timerDue = Number.POSITIVE_INFINITY;
  let stopped = false;

  function keep(error: unknown, keys: readonly (string | Buffer)[], ending: Leases = []): void {
    const leases = ending.filter((lease) => lease !== undefined);
    const names = keys.map(String);
    if (!isRetryable(error) || stopped || !deletions.hasRoomFor([...leases, ...names])) throw error;
    for (const lease of leases) deletions.add(lease, true);
    for (const name of names) deletions.add(name);
    onKept(error as Error, names);
    schedule();
  }

  /** Sets the timer to the next attempt, earlier than it was if something is due earlier. */
  function schedule(): void {
    if (stopped) return;
    const now = performance.now();
    const due = clears.size > 0 ? now + retryAfter : deletions.nextAttempt(now + retryAfter);
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

  /** Clears and deletions side by side: a clear of many keys takes its time. */
  async function attempt(): Promise<void> {
    // A timer may fire a little early.
    deletions.retryRefused(performance.now() + 1);
    await Promise.all([clears.send().finally(schedule), deletions.send().finally(schedule)]);
  }

  const waits = (key: string): boolean => (deletions.size > 0 && deletions.has(key)) || (clears.size > 0 && clears.hides(key));

  /** Sends the deletions that wait for these keys now. Those that come meanwhile go on waiting. */
  async function settle(keys: readonly string[]): Promise<void> {
    const due = keys.map((key) => [key, deletions.get(key)] as const);
    await base.del(keys);
    for (const [key, entry] of due) if (entry?.writes === 0) deletions.settle(key, entry);
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
      if (deletions.size === 0 && clears.size === 0) return read(keys);
      const asked = keys.filter((key) => !waits(key));
      const answers = new Map((asked.length === 0 ? [] : await read(asked)).map((answer, i) => [asked[i] as string, answer]));
      return keys.map((key) => answers.get(key) ?? none);
    };

  /**
   * A write of the whole value: once it is there, the deletion before it is of no more concern. One that cannot be sent leaves
   * what it was to replace, which would be read as if it were true: so that is to be deleted.
   */
  async function write<R>(key: string, attempt: () => Promise<R>): Promise<R> {
    const entry = deletions.get(key);
    if (entry) entry.writes++;
    try {
      const result = await attempt();
      deletions.settle(key, entry);
      return result;
    } catch (error) {
      replace(error, key);
      throw error;
    } finally {
      if (entry) entry.writes--;
    }
  }

  function replace(error: unknown, key: string): void {
    if (!isRetryable(error) || stopped || deletions.has(key) || !deletions.hasRoomFor([key])) return;
    deletions.add(key);
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
    set(key, value, ttl) {
      if (deletions.size > 0) return write(key, () => commands.set(key, value, ttl));
      const sent = commands.set(key, value, ttl);
      sent.catch((error: unknown) => replace(error, key));
      return sent;
    },
    async setMany(entries) {
      const held = entries.map(({ key }) => deletions.get(key));
      for (const entry of held) if (entry) entry.writes++;
      try {
        const results = await commands.setMany(entries);
        for (const [i, result] of results.entries()) {
          const { key } = entries[i] as Entry;
          if (result.status === 'rejected') replace(result.reason, key);
          else deletions.settle(key, held[i]);
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
      const due = [claim.lease, entry.key].filter((key) => deletions.has(key));
      if (due.length > 0) await settle(due);
      return commands.fill(entry, claim);
    },
    claim: after(commands.claim),
    async retire(key, claim, mark) {
      const due = [claim.lease, key].filter((each) => deletions.has(each));
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
        const hidden = clears.sending ? (key: string) => deletions.has(key) : waits;
        yield deletions.size === 0 && clears.size === 0 ? page : { ...page, keys: page.keys.filter((key) => !hidden(String(key))) };
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
      deletions.retryRefused(Number.POSITIVE_INFINITY);
      await attempt();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      return deletions.asked + clears.size;
    },
  };
}
