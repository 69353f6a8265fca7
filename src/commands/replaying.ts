import type { Milliseconds } from '../ttl.js';
import { worthAnotherAttempt as isRetryable } from './another-attempt.js';
import { type Commands, type Entry, type Leases, missing } from './commands.js';

/** The most deletions that may wait, 10 000 keys with their leases; one more fails loud, as all do without the queue. */
const most = 20_000;
const retryAfter: Milliseconds = 100;
/** How many deletions are tried at first, to see whether Redis can be reached; doubled while some succeed. */
const probe = 16;
/** Where Redis refuses the deletion itself, it is asked ever less often, up to this. */
const retryRefusedAfter: Milliseconds = 30_000;

export interface ReplayingCommands extends Commands {
  /** Other commands to the same Redis, with the same deletions waiting. */
  over(commands: Commands): Commands;
  /** Whether the deletion of this key waits. */
  waits(key: string): boolean;
  /** Keeps a clear that failed with this error; until it has run, every key reads as missing. @returns false if it cannot wait */
  clearLater(error: unknown, clear: () => Promise<unknown>): boolean;
  /** Sends what waits, now; resolves when it was tried. */
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
  /** Whether Redis has refused it, which was told of. */
  refused: boolean;
}

/** Told of a deletion that waits instead of failing. `'all'`: of a clear. */
export type OnKept = (error: Error, keys: readonly string[] | 'all') => void;

/**
 * Keeps deletions that cannot be sent (`invalidations: 'queue'`), the last word on each key, and sends them when Redis is
 * back. Until then, their keys read as missing in this process; a write that arrives takes the place of the deletion before it, and
 * one that does not arrive is a deletion.
 */
export function replaying(base: Commands, onKept: OnKept): ReplayingCommands {
  /** By key. */
  const waiting = new Map<string, Waiting>();
  /** A clear that waits, and whether it runs now. */
  let clearing: { readonly run: () => Promise<unknown>; running: boolean } | undefined;
  let running: Promise<void> | undefined;
  let wait = retryAfter;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function keep(error: unknown, keys: readonly (string | Buffer)[], ending: Leases = []): void {
    const leases = ending.filter((lease) => lease !== undefined);
    const names = [...leases, ...keys.map(String)];
    const room = waiting.size + names.filter((key) => !waiting.has(key)).length <= most;
    if (!isRetryable(error) || stopped || !room) throw error;
    // A new entry each time: what is under way now, a write or a replay, comes before this deletion and does not settle it.
    for (const [i, key] of names.entries()) waiting.set(key, { writes: 0, lease: i < leases.length, refused: false });
    onKept(error as Error, keys.map(String));
    soon();
  }

  function soon(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      void replay();
    }, wait);
    timer.unref();
  }

  function replay(): Promise<void> {
    running ??= send().finally(() => {
      running = undefined;
      if ((waiting.size > 0 || clearing) && !stopped) soon();
    });
    return running;
  }

  /** Those that fail go to the end, so that some which cannot be sent, to a part of a cluster that is down, hold up no others. */
  async function send(): Promise<void> {
    const refused: string[] = [];
    let refusal: unknown;
    let reached = await clear();
    for (let [size, tried] = [probe, 0]; reached && tried < waiting.size; size *= 2) {
      const due = [...waiting].slice(0, size).filter(([, { writes }]) => writes === 0);
      tried += size;
      reached = false;
      await Promise.all(
        due.map(async ([key, entry]) => {
          try {
            await base.drop(key);
            settled(key, entry);
            reached = true;
          } catch (error) {
            if (waiting.get(key) === entry && waiting.delete(key)) waiting.set(key, entry);
            if (isRetryable(error)) return;
            reached = true;
            refusal = error;
            if (!entry.refused && !entry.lease) refused.push(key);
            entry.refused = true;
          }
        }),
      );
    }
    wait = refusal === undefined ? retryAfter : Math.min(wait * 2, retryRefusedAfter);
    if (refused.length > 0) onKept(refusal as Error, refused);
  }

  /** Runs the clear that waits, if there is one. @returns whether Redis could be reached */
  async function clear(): Promise<boolean> {
    const due = clearing;
    if (!due) return true;
    due.running = true;
    try {
      await due.run();
    } catch (error) {
      // One that Redis refuses has emitted its event.
      if (isRetryable(error) && clearing === due) return false;
    } finally {
      due.running = false;
    }
    if (clearing === due) clearing = undefined;
    return true;
  }

  const waits = (key: string): boolean => clearing !== undefined || (waiting.size > 0 && waiting.has(key));

  /** Sends the deletions that wait for these keys now. Those that come meanwhile go on waiting. */
  async function settle(keys: readonly string[]): Promise<void> {
    const due = keys.map((key) => [key, waiting.get(key)] as const);
    await base.del(keys);
    for (const [key, entry] of due) settled(key, entry);
  }

  function settled(key: string, entry: Waiting | undefined): void {
    if (waiting.get(key) === entry && entry?.writes === 0) waiting.delete(key);
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
      if (waiting.size === 0 && !clearing) return read(keys);
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
      if (entry && waiting.get(key) === entry) waiting.delete(key);
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
    waiting.set(key, { writes: 0, lease: false, refused: false });
    soon();
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
          else if (held[i] && waiting.get(key) === held[i]) waiting.delete(key);
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
        const hidden = clearing?.running ? (key: string) => waiting.has(key) : waits;
        yield waiting.size === 0 && !clearing ? page : { ...page, keys: page.keys.filter((key) => !hidden(String(key))) };
      }
    },
  });

  return {
    ...over(base),
    over,
    waits,
    clearLater(error, run) {
      if (!isRetryable(error) || stopped) return false;
      clearing = { run, running: false };
      onKept(error as Error, 'all');
      soon();
      return true;
    },
    replay,
    stop() {
      stopped = true;
      clearTimeout(timer);
      return [...waiting.values()].filter(({ lease }) => !lease).length + (clearing ? 1 : 0);
    },
  };
}
