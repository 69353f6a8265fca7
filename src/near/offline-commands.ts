import { missingNearby, type ReadEntry, type Stored, StoredEntry } from '../codec/entry.js';
import { type Commands, missing, never, type OrderedCommands, type SetEntry, type StoredWithTtl } from '../commands/commands.js';
import { isRetryable } from '../commands/pending-deletions.js';
import { wrapEach } from '../commands/verbs.js';
import { performance } from '../time/clock.js';
import { attempt } from '../time/waiting.js';
import type { HeldEntry, OfflineMemory, ServableEntry } from './offline.js';

/** What the memory has to know of keys. */
export interface OfflineContext {
  /** Whether the key is one of the store's own, such as that of a tag. */
  isInternal(key: string): boolean;
  /** Whether the deletion of the key waits for Redis. */
  isDeleting(key: string): boolean;
}

/**
 * The commands with the memory of the last moments in front (`offline`). While Redis is well it records what passes. While Redis is away it
 * answers reads of what it holds. Writes and deletions go to Redis all the time, and change what is held when they begin.
 */
export function offlineCommands(
  commands: OrderedCommands,
  memory: OfflineMemory,
  { isInternal, isDeleting }: OfflineContext,
): OrderedCommands {
  let isProbing = false;

  /** One read at a time goes to the circuit breaker, as its trial: else it would stay open while every read is answered here. */
  function probe(key: string): void {
    if (isProbing) return;
    isProbing = true;
    const done = (): void => {
      isProbing = false;
    };
    attempt(() => commands.get(key)).then(done, done);
  }

  /** What is held of the key while Redis is away. */
  function find(key: string): ServableEntry | undefined {
    const held = memory.isAway ? memory.find(key) : undefined;
    if (held && isInternal(key)) memory.extend(held);
    return held;
  }

  /** A read of one key: `answer` is the answer of what is held. */
  async function reading<T>(key: string, ask: () => Promise<T>, answer: (held: ServableEntry | undefined) => T | undefined): Promise<T> {
    const before = answer(find(key));
    if (before !== undefined) {
      probe(key);
      return before;
    }
    try {
      return await ask();
    } catch (error) {
      // It may have begun before Redis was known to be away.
      const after = memory.isAway && isRetryable(error) ? answer(find(key)) : undefined;
      if (after === undefined) throw error;
      return after;
    }
  }

  /** A read of one entry. A tag that is not held is not valid: nothing knows its generation. */
  function get(key: string, ask: Commands['get']): Promise<ReadEntry> {
    const held = find(key);
    if (held) {
      probe(key);
      return Promise.resolve(held.entry);
    }
    const began = memory.moment;
    return ask(key).then(
      (entry) => {
        memory.record(key, entry, began);
        return entry;
      },
      (error: unknown) => {
        if (!memory.isAway || !isRetryable(error)) throw error;
        const entry = find(key)?.entry ?? (isInternal(key) ? missingNearby : undefined);
        if (entry === undefined) throw error;
        return entry;
      },
    );
  }

  /** A read of several keys, answered here if all of them are held. */
  async function readingAll<T>(keys: readonly string[], ask: () => Promise<T[]>, answer: (entry: StoredEntry) => T): Promise<T[]> {
    const found = (): T[] | undefined => {
      // Leases are not held, and a key without its lease means nothing.
      const held = memory.isAway && !keys.some(isInternal) ? keys.map((key) => find(key)) : [];
      const entries = held.flatMap((each) => (each ? [each.entry] : []));
      return entries.length > 0 && entries.length === keys.length ? entries.map(answer) : undefined;
    };
    const before = found();
    if (before) {
      probe(keys[0] as string);
      return before;
    }
    try {
      return await ask();
    } catch (error) {
      const after = isRetryable(error) ? found() : undefined;
      if (!after) throw error;
      return after;
    }
  }

  /** Whether a value may be served that could not be sent: a deletion has taken the place of its write, so no older value follows. */
  const isServable = (key: string, error: unknown): boolean => isRetryable(error) && isDeleting(key);

  /** A deletion, or a change whose result is not known here. */
  function changing<T>(keys: readonly (string | Buffer)[], change: () => Promise<T>): Promise<T> {
    const begun = keys.map((key) => memory.change(String(key)));
    const answer = attempt(change);
    const ended = (): void => {
      for (const held of begun) memory.ended(held, false);
    };
    answer.then(ended, ended);
    return answer;
  }

  /** The same for as many keys as a scan finds. */
  function changingMany<T>(keys: readonly (string | Buffer)[], change: () => Promise<T>): Promise<T> {
    const names = keys.map(String);
    memory.evict(names);
    const answer = attempt(change);
    const ended = (): void => memory.evict(names);
    answer.then(ended, ended);
    return answer;
  }

  /** What is written, unless it takes over a time that is not known here. */
  const changed = ({ key, value, ttl }: SetEntry<Stored | Promise<Stored>>): HeldEntry =>
    typeof ttl === 'object' ? memory.change(key) : memory.change(key, value, ttl);

  const { tracked } = commands;
  return {
    ...wrapEach(commands, (verb, call) => {
      if (verb.access !== 'write' && verb.access !== 'update') return call;
      return (a, b, c, d) => changing(verb.keys(a, b), () => call(a, b, c, d));
    }),
    get: (key) => get(key, commands.get),
    async getMany(keys, from) {
      const began = memory.moment;
      const ask = async (): Promise<ReadEntry[]> => {
        const entries = await commands.getMany(keys, from);
        for (const [i, key] of keys.entries()) if (!isInternal(key)) memory.record(key, entries[i] as ReadEntry, began);
        return entries;
      };
      return readingAll<ReadEntry>(keys, ask, (entry) => entry);
    },
    getWithTtl(key) {
      const ask = async (): Promise<StoredWithTtl> => {
        const began = memory.moment;
        const asked = performance.now();
        const answer = await commands.getWithTtl(key);
        const { left } = answer;
        memory.record(key, answer.entry, began, left === missing ? undefined : left < 0 ? left : left - (performance.now() - asked));
        return answer;
      };
      return reading(key, ask, (held) => held && { entry: held.entry, left: timeLeft(held) });
    },
    getAndExpire(key, ttl) {
      const ask = async (): Promise<ReadEntry> => {
        const began = memory.moment;
        const entry = await commands.getAndExpire(key, ttl);
        // One with tags is touched later on, and one that ages has its window behind the time.
        memory.record(key, entry, began, entry.found && (entry.isTagged || entry.staleFor > 0) ? undefined : (ttl ?? never));
        return entry;
      };
      return reading(key, ask, (held) => held && (isStale(held) ? missingNearby : held.entry));
    },
    has: (key) => reading(key, () => commands.has(key), exists),
    hasMany: (keys) => readingAll(keys, () => commands.hasMany(keys), always),
    prefixes: (keys, length) =>
      readingAll(
        keys,
        () => commands.prefixes(keys, length),
        ({ bytes }) => Buffer.from(bytes as string).subarray(0, length),
      ),
    set(key, value, ttl) {
      const held = changed({ key, value, ttl });
      const answer = commands.set(key, value, ttl);
      answer.then(
        () => memory.ended(held, true),
        (error: unknown) => memory.ended(held, isServable(key, error)),
      );
      return answer;
    },
    setMany(entries) {
      const begun = entries.map(changed);
      const answer = commands.setMany(entries);
      const ended = (results: readonly PromiseSettledResult<unknown>[]): void => {
        for (const [i, held] of begun.entries()) {
          const result = results[i];
          memory.ended(held, result?.status !== 'rejected' || isServable(entries[i]?.key as string, result.reason));
        }
      };
      answer.then(ended, (reason: unknown) => ended(entries.map(() => ({ status: 'rejected', reason }))));
      return answer;
    },
    setUnderLease(entry, claim) {
      const held = memory.change(entry.key, entry.value, entry.ttl);
      const answer = commands.setUnderLease(entry, claim);
      // What a load made may be followed by the entry before it: the load has not changed what is true.
      answer.then(
        (isStored) => memory.ended(held, isStored),
        (error: unknown) => memory.ended(held, isRetryable(error)),
      );
      return answer;
    },
    // An entry that lives longer is still the same.
    expireUnchanged(key, digest, ttl) {
      const expire = (): Promise<boolean> => commands.expireUnchanged(key, digest, ttl);
      return ttl === 'stale' ? changing([key], expire) : expire();
    },
    unlink(keys, options) {
      const unlink = (): Promise<number> => commands.unlink(keys, options);
      return options?.scanned ? changingMany(keys, unlink) : changing(keys, unlink);
    },
    unlinkUnchanged(entries) {
      const keys = entries.map(({ key }) => key);
      return changingMany(keys, () => commands.unlinkUnchanged(entries));
    },
    replace: (key, ...how) => changingMany([key], () => commands.replace(key, ...how)),
    async ensureGeneration(key, id, ttl) {
      const began = memory.moment;
      try {
        const generation = await commands.ensureGeneration(key, id, ttl);
        if (generation !== undefined) memory.record(key, StoredEntry.parse(generation), began);
        return generation;
      } catch (error) {
        if (memory.isAway && isRetryable(error)) return memory.generation(key, id);
        throw error;
      }
    },
    ...(tracked && { tracked: { ...tracked, get: (key: string) => get(key, tracked.get) } }),
  };
}

const always = (): true => true;
const exists = (held: ServableEntry | undefined): true | undefined => held && true;

/** Whether it is in its stale window. */
function isStale({ entry, ends }: ServableEntry): boolean {
  return entry.staleFor > 0 && ends !== undefined && ends - performance.now() <= entry.staleFor;
}

/** What PTTL would answer. */
function timeLeft({ ends }: HeldEntry): number {
  return ends === undefined || ends === Number.POSITIVE_INFINITY ? never : Math.max(1, Math.ceil(ends - performance.now()));
}
