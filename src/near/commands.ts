import { missingNearby, type ReadEntry } from '../codec/entry.js';
import { type Commands, missing, type OrderedCommands } from '../commands/commands.js';
import { inOrder } from '../commands/in-order.js';
import { nullCommands } from '../commands/local.js';
import { wrapEach } from '../commands/verbs.js';
import { BreakerOpenError, CommandError, RedirectError, UnavailableError, UnsupportedError } from '../errors.js';
import { attempt } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import { isReadable, type NearSettings } from './entry.js';
import type { OfflineMemory } from './offline.js';
import { type Fill, NearTier } from './tier.js';

/** Reads over the connection that tracks: the tier keeps their answers. */
type TrackingSource = Pick<Commands, 'get' | 'getMany' | 'getWithTtl' | 'has' | 'pttl' | 'pttlMany'>;

export interface NearContext {
  readonly tier: NearTier;
  readonly source: TrackingSource;
  /** Whether a deletion of this key waits: it is answered without asking Redis, which then does not track it. */
  readonly isDeleting?: ((key: string) => boolean) | undefined;
}

/**
 * The commands with the near tier in front. A read that it can answer stays in the process; another brings the entry and its time to live
 * over the connection that tracks. A write goes to Redis, and evicts its keys when it begins.
 */
export function nearCommands(commands: OrderedCommands, { tier, source, isDeleting = () => false }: NearContext): OrderedCommands {
  const begin = (key: string): Fill | undefined => (isDeleting(key) ? undefined : tier.begin(key));

  /** Runs a write. Until it is answered, reads of its keys go to Redis and are not kept. */
  function writing<T>(keys: readonly (string | Buffer)[], write: () => Promise<T>): Promise<T> {
    const names = keys.map(String);
    for (const key of names) tier.writeBegan(key);
    const done = (): void => {
      for (const key of names) tier.writeEnded(key);
    };
    const answer = attempt(write);
    answer.then(done, done);
    return answer;
  }

  /**
   * The source of a read whose answer is not kept. Over the tracking connection it cannot show a change before its invalidation, after
   * which a hit would show something older. A read behind a write of this process takes the connection of the write.
   */
  const sourceOf = (keys: readonly string[]): TrackingSource =>
    tier.isLive && !keys.some((key) => tier.isWriting(key)) ? source : commands;

  /** A user that may read but not call PTTL: the answer is good, and nothing can be kept. */
  function refused(error: unknown): undefined {
    // A server that loads, or is busy, refuses every user for a moment.
    if (!(error instanceof CommandError) || error instanceof UnavailableError || error instanceof RedirectError) throw error;
    tier.refused(error);
  }

  async function fill(filling: Fill, answer?: Promise<ReadEntry>): Promise<ReadEntry> {
    try {
      const get = (): Promise<ReadEntry> => source.get(filling.key);
      const [entry, left] = await both(answer ?? get(), source.pttl(filling.key).catch(refused), get);
      if (left !== undefined) tier.complete(filling, entry, left);
      return entry;
    } finally {
      tier.abandon(filling);
    }
  }

  /** For a load, which rarely finds an entry: PTTL is sent only for one that exists, after the caller was answered. */
  async function fillFound(filling: Fill): Promise<ReadEntry> {
    try {
      const answer = source.get(filling.key);
      const entry = await answer;
      if (entry.found) fill(filling, answer).catch(() => {});
      else tier.complete(filling, entry, missing);
      return entry;
    } catch (error) {
      tier.abandon(filling);
      throw error;
    }
  }

  async function fillMany(keys: readonly string[]): Promise<ReadEntry[]> {
    if (keys.some((key) => tier.isWriting(key))) return commands.getMany(keys);
    const fills = keys.map(begin).filter((filling) => filling !== undefined);
    if (fills.length === 0) return sourceOf(keys).getMany(keys);
    try {
      const asked = source.pttlMany(fills.map(({ key }) => key)).catch(refused);
      const get = (): Promise<ReadEntry[]> => source.getMany(keys);
      const [entries, lefts] = await both(get(), asked, get);
      const found = new Map(keys.map((key, i) => [key, entries[i] as ReadEntry]));
      if (lefts)
        for (const [i, filling] of fills.entries()) tier.complete(filling, found.get(filling.key) as ReadEntry, lefts[i] as number);
      return entries;
    } finally {
      for (const filling of fills) tier.abandon(filling);
    }
  }

  function getting(key: string, fillWith: (filling: Fill) => Promise<ReadEntry>): Promise<ReadEntry> {
    const near = tier.find(key);
    if (isReadable(near)) return Promise.resolve(near.entry);
    const filling = begin(key);
    return filling ? fillWith(filling) : sourceOf([key]).get(key);
  }

  async function has(key: string): Promise<boolean> {
    const near = tier.find(key);
    if (near) return near.entry?.found ?? true;
    const filling = begin(key);
    if (!filling) return sourceOf([key]).has(key);
    try {
      const left = await source.pttl(key);
      tier.complete(filling, undefined, left);
      return left !== missing;
    } finally {
      tier.abandon(filling);
    }
  }

  async function getMany(keys: readonly string[]): Promise<ReadEntry[]> {
    const entries = new Map<string, ReadEntry | undefined>();
    for (const key of keys) entries.set(key, tier.find(key)?.entry);
    const asked = [...entries].filter(([, entry]) => entry === undefined).map(([key]) => key);
    const answers = asked.length === 0 ? [] : await fillMany(asked);
    for (const [i, key] of asked.entries()) entries.set(key, answers[i]);
    return keys.map((key) => entries.get(key) as ReadEntry);
  }

  return {
    ...wrapEach(commands, (verb, call) => {
      if (verb.access !== 'write' && verb.access !== 'update') return call;
      return (a, b, c, d) => writing(verb.keys(a, b), () => call(a, b, c, d));
    }),
    get: (key) => getting(key, fill),
    getMany,
    has,
    hasMany: (keys) => Promise.all(keys.map(has)),
    /** Always asks Redis: its callers need the entry as it is there now. */
    getWithTtl(key) {
      // An older entry must not be served later, while the connection that tracks is down.
      if (!tier.isLive) tier.invalidated(key);
      return sourceOf([key]).getWithTtl(key);
    },
    tracked: {
      get: (key) => getting(key, fillFound),
      watch(keys) {
        const watcher = keys.some(isDeleting) ? undefined : tier.listen(keys);
        return watcher && { ...watcher, read: () => source.getMany(keys) };
      },
    },
  };
}

/** Commands that answer from the near tier alone: what it does not hold reads as missing, and writes do nothing. */
export function nearOnlyCommands(tier: NearTier): OrderedCommands {
  const get = async (key: string): Promise<ReadEntry> => tier.find(key)?.entry ?? missingNearby;
  const has = async (key: string): Promise<boolean> => tier.find(key)?.entry?.found ?? false;
  return {
    ...inOrder(nullCommands()),
    get,
    has,
    getMany: (keys) => Promise.all(keys.map(get)),
    hasMany: (keys) => Promise.all(keys.map(has)),
  };
}

/** A near tier, unless the pool is the user's: it does not say which of its connections read an entry. */
export function openNearTier(
  settings: NearSettings,
  timeout: Milliseconds,
  isOwnPool: boolean,
  offline?: OfflineMemory,
): NearTier | undefined {
  const tier = new NearTier(settings, timeout, offline && ((lost) => offline.takeOver(lost)));
  if (isOwnPool) return tier;
  tier.refused(new UnsupportedError('a pool of your own does not say which of its connections read what'));
  return undefined;
}

/** The answer, and the time left, `undefined` if only that is unknown: then the answer is good, and is not kept. */
async function both<T, Left>(asked: Promise<T>, left: Promise<Left>, ask: () => Promise<T>): Promise<[T, Left | undefined]> {
  const [answer, time] = await Promise.allSettled([asked, left]);
  const known = time.status === 'fulfilled' ? time.value : undefined;
  if (answer.status === 'fulfilled') return [answer.value, known];
  // When Redis is back, one command goes first and the others fail. That was the other one, and it has been answered.
  if (time.status === 'fulfilled' && answer.reason instanceof BreakerOpenError) return [await ask(), undefined];
  throw answer.reason;
}
