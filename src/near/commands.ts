import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import { type Commands, missing } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import { CommandError, RedirectError, UnavailableError } from '../errors.js';
import { given, type Kept, keepable } from './kept.js';
import type { Fill, NearTier } from './tier.js';

/** What reads are filled from: the verbs, over the connection that tracks. */
export type Source = Pick<Commands, 'get' | 'getMany' | 'getWithTtl' | 'has' | 'pttl' | 'pttlMany'>;

/**
 * The verbs with the near tier in front. Reads that it can answer stay in the process; those it cannot bring the value and its
 * time to live over the connection that tracks. Writes go through, and take what is kept of their keys away when they begin.
 */
export function nearCommands(
  commands: OrderedCommands,
  tier: NearTier,
  source: Source,
  waits: (key: string) => boolean = () => false,
): OrderedCommands {
  /** A key whose deletion waits is answered without asking Redis, which then tells nothing of it: that is not to be kept. */
  const begin = (key: string): Fill | undefined => (waits(key) ? undefined : tier.begin(key));

  /** Runs a write; reads of its keys are not answered from here until it is answered itself. */
  function writing<T>(keys: readonly string[], write: () => Promise<T>): Promise<T> {
    for (const key of keys) tier.writing(key);
    const done = (): void => {
      for (const key of keys) tier.written(key);
    };
    let answer: Promise<T>;
    try {
      answer = write();
    } catch (error) {
      done();
      throw error;
    }
    answer.then(done, done);
    return answer;
  }

  const write =
    <A extends unknown[], R>(call: (key: string, ...rest: A) => Promise<R>) =>
    (key: string, ...rest: A): Promise<R> =>
      writing([key], () => call(key, ...rest));

  /**
   * Where a read goes whose answer is not kept. Beside a pool it must be the connection that tracks, lest it shows what no push has told
   * of yet, and a later hit something older; but a write that is under way goes first, which only its own connection sees to.
   */
  const unkept = (keys: readonly string[]): Source => (tier.live && !keys.some((key) => tier.isWriting(key)) ? source : commands);

  /** A user who may read but not ask for the time to live: what was read is good, and nothing can be kept. */
  function refused(error: unknown): undefined {
    // A server that loads, or is busy, refuses everybody, and not for long.
    if (!(error instanceof CommandError) || error instanceof UnavailableError || error instanceof RedirectError) throw error;
    tier.refused(error);
  }

  async function fill(key: string, begun: Fill): Promise<Stored | null> {
    try {
      const [stored, left] = await Promise.all([source.get(key), source.pttl(key).catch(refused)]);
      if (left !== undefined) tier.complete(begun, stored, left);
      return stored;
    } finally {
      tier.abandon(begun);
    }
  }

  /** The same for what is rarely there: its time to live is asked for only once there is something to keep. */
  async function fillFound(key: string, begun: Fill): Promise<Stored | null> {
    let stored: Stored | null;
    try {
      stored = await source.get(key);
    } catch (error) {
      tier.abandon(begun);
      throw error;
    }
    if (stored === null) tier.complete(begun, null, missing);
    // Copied before the caller has it, who may do with it what he likes.
    else void keep(begun, keepable(stored));
    return stored;
  }

  /** Nobody waits for it, and it never rejects. */
  async function keep(begun: Fill, stored: Stored): Promise<void> {
    try {
      const left = await source.pttl(begun.key).catch(refused);
      if (left !== undefined) tier.complete(begun, stored, left);
    } catch {
      // What was read is good all the same.
    } finally {
      tier.abandon(begun);
    }
  }

  async function fillMany(keys: readonly string[]): Promise<(Stored | null)[]> {
    if (keys.some((key) => tier.isWriting(key))) return commands.getMany(keys);
    const fills = keys.map(begin).filter((begun) => begun !== undefined);
    if (fills.length === 0) return unkept(keys).getMany(keys);
    try {
      const lives = source.pttlMany(fills.map(({ key }) => key)).catch(refused);
      const [values, lefts] = await Promise.all([source.getMany(keys), lives]);
      const found = new Map(keys.map((key, i) => [key, values[i] as Stored | null]));
      if (lefts) for (const [i, begun] of fills.entries()) tier.complete(begun, found.get(begun.key) as Stored | null, lefts[i] as number);
      return values;
    } finally {
      for (const begun of fills) tier.abandon(begun);
    }
  }

  async function fillPresence(key: string, begun: Fill): Promise<boolean> {
    try {
      const left = await source.pttl(key);
      tier.complete(begun, undefined, left);
      return left !== missing;
    } finally {
      tier.abandon(begun);
    }
  }

  const getting =
    (filled: typeof fill) =>
    (key: string): Promise<Stored | null> => {
      const kept = tier.find(key);
      if (holdsValue(kept)) return Promise.resolve(kept.stored && given(kept.stored));
      const begun = begin(key);
      return begun ? filled(key, begun) : unkept([key]).get(key);
    };

  function has(key: string): Promise<boolean> {
    const kept = tier.find(key);
    if (kept) return Promise.resolve(kept.stored !== null);
    const begun = begin(key);
    return begun ? fillPresence(key, begun) : unkept([key]).has(key);
  }

  return {
    ...commands,
    get: getting(fill),
    has,
    async getMany(keys) {
      const values = new Map<string, Stored | null>();
      const absent = new Set<string>();
      for (const key of keys) {
        const kept = tier.find(key);
        if (holdsValue(kept)) values.set(key, kept.stored && given(kept.stored));
        else absent.add(key);
      }
      if (absent.size > 0) {
        const asked = [...absent];
        const answers = await fillMany(asked);
        for (const [i, key] of asked.entries()) values.set(key, answers[i] as Stored | null);
      }
      return keys.map((key) => values.get(key) as Stored | null);
    },
    hasMany: (keys) => Promise.all(keys.map(has)),
    set: (key, value, ttl) => writing([key], () => commands.set(key, value, ttl)),
    setMany: (entries) =>
      writing(
        entries.map(({ key }) => key),
        () => commands.setMany(entries),
      ),
    add: (key, value: MaybePromise<Stored>, ttl) => writing([key], () => commands.add(key, value, ttl)),
    replace: write(commands.replace),
    // Asked for by those who want to know what Redis has now.
    getWithTtl(key) {
      // What is kept while the connection is away must not be served after something newer was.
      if (!tier.live) tier.invalidated(key);
      return unkept([key]).getWithTtl(key);
    },
    fill: (entry, claim) => writing([entry.key], () => commands.fill(entry, claim)),
    retire: write(commands.retire),
    del: (keys, ...rest) => writing(keys.map(String), () => commands.del(keys, ...rest)),
    drop: write(commands.drop),
    sweep: (keys) => writing(keys.map(String), () => commands.sweep(keys)),
    delEach: (keys, leases) => writing(keys, () => commands.delEach(keys, leases)),
    getAndDelete: write(commands.getAndDelete),
    expire: write(commands.expire),
    stamp: write(commands.stamp),
    persist: write(commands.persist),
    incrBy: write(commands.incrBy),
    rename: (from, to) => writing([from, to], () => commands.rename(from, to)),
    tracked: {
      get: getting(fillFound),
      watch(keys) {
        const ear = keys.some(waits) ? undefined : tier.listen(keys);
        return ear && { ...ear, read: () => source.getMany(keys) };
      },
    },
  };
}

/** Whether the entry says what the value is, a missing one included. */
export function holdsValue(kept: Kept | undefined): kept is Kept & { readonly stored: Stored | null } {
  return kept !== undefined && kept.stored !== undefined;
}
