import type { ReadEntry, Stored } from '../codec/entry.js';
import type { Commands, OrderedCommands } from '../commands/commands.js';
import type { DeleteQueue, OnQueued } from '../commands/delete-queue.js';
import { wrapEach } from '../commands/verbs.js';
import { explained } from '../connection/place.js';
import { type CacheError, ConnectionError } from '../errors.js';
import { type KeyNames, keyName } from '../keys/keyspace.js';
import { type BreakerState, isTraced, type ReadTier, type Source, trace } from '../telemetry/events.js';
import { debug, Outages } from '../telemetry/outages.js';
import type { CacheContext } from './context.js';

/** Where records go. */
type Recorders = Pick<CacheContext, 'counters' | 'events'>;

type Keys = readonly (string | Buffer)[];

/** Counts writes and deletions, and emits their events. The outermost wrapper: it sees what callers asked for. */
export function recordedCommands(commands: OrderedCommands, names: KeyNames, { counters, events }: Recorders): OrderedCommands {
  const isInternal = (key: string | Buffer): boolean => names.space.isInternalKey?.(String(key)) ?? false;
  const nameOf = (key: string | Buffer): string | undefined => keyName(names.space, String(key));

  function countWrite(value: Stored | Promise<Stored>): void {
    if (!(value instanceof Promise)) counters.write(value);
    // The call that stores the value reports that it could not be encoded.
    else value.then((encoded) => counters.write(encoded)).catch(() => {});
  }

  /** Emits `set` for the entries that were stored. */
  function stored<T>(answer: Promise<T>, keys: Keys, wasStored: (answer: T, i: number) => boolean = () => true): Promise<T> {
    if (!events.heard.set) return answer;
    return answer.then((answered) => {
      for (const [i, key] of keys.entries()) if (wasStored(answered, i)) events.emit('set', { key: nameOf(key) });
      return answered;
    });
  }

  /** Counts deletions, and emits `delete` once they were carried out. */
  function deleted<T>(all: Keys, answer: Promise<T>): Promise<T> {
    const keys = all.some(isInternal) ? all.filter((key) => !isInternal(key)) : all;
    counters.deletes += keys.length;
    if (!events.heard.delete) return answer;
    return answer.then((answered) => {
      for (const key of keys) events.emit('delete', { key: nameOf(key) });
      return answered;
    });
  }

  return {
    ...commands,
    set(key, value, ttl) {
      countWrite(value);
      const answer = commands.set(key, value, ttl);
      return events.heard.set ? stored(answer, [key]) : answer;
    },
    setMany(entries) {
      for (const { value } of entries) countWrite(value);
      const keys = entries.map(({ key }) => key);
      return stored(commands.setMany(entries), keys, (results, i) => results[i]?.status === 'fulfilled');
    },
    add(key, value, ttl) {
      countWrite(value);
      return stored(commands.add(key, value, ttl), [key], Boolean);
    },
    setUnderLease(entry, claim) {
      countWrite(entry.value);
      return stored(commands.setUnderLease(entry, claim), [entry.key], Boolean);
    },
    unlink: (keys, options) => deleted(keys, commands.unlink(keys, options)),
    unlinkEach: (keys, leases) => deleted(keys, commands.unlinkEach(keys, leases)),
    getAndDelete: (key, lease) => deleted([key], commands.getAndDelete(key, lease)),
    async unlinkUnchanged(entries) {
      // Without events: Redis does not answer which of them were unchanged.
      const count = await commands.unlinkUnchanged(entries);
      counters.deletes += count;
      return count;
    },
    async unlinkUnderLease(key, claim, mark) {
      const wasDeleted = await commands.unlinkUnderLease(key, claim, mark);
      if (wasDeleted) void deleted([key], Promise.resolve());
      return wasDeleted;
    },
  };
}

/** Emits the events of connections and of outages, and counts how often the circuit breaker opens from being closed. */
export function connectionListeners({ counters, events }: Recorders, source: Source) {
  const outages = new Outages(events, counters, source, explained);
  let before: BreakerState = 'closed';
  return {
    onError(error: CacheError): void {
      debug(() => `connection: ${error.code} ${error.message}`);
      events.emit('error', error);
    },
    onBreaker(state: BreakerState, cause?: unknown): void {
      if (before === 'closed' && state === 'open') counters.opened++;
      before = state;
      events.emit('breaker', state);
      outages.changed(state, cause);
    },
  };
}

/** The tier that answered a read, as callers see it. */
export function tierOf({ offline }: Pick<CacheContext, 'offline'>, { tier }: Pick<ReadEntry, 'tier'>): Exclude<ReadTier, 'stale'> {
  return tier === 'near' && offline?.isAway ? 'offline' : tier;
}

type ReadContext = Recorders & Pick<CacheContext, 'offline'>;

/** Counts a read of a caller, and emits its event. */
export function recordRead(context: ReadContext, operation: string, key: string, entry: ReadEntry, isStale = false): void {
  const { counters, events } = context;
  if (entry.found) {
    const size = counters.hit(entry);
    if (!events.heard.hit) return;
    const tier = isStale ? 'stale' : tierOf(context, entry);
    events.emit('hit', { operation, key, tier, bytes: size ?? Buffer.byteLength(entry.payload) });
  } else {
    counters.miss(entry.tier);
    if (events.heard.miss) events.emit('miss', { operation, key, tier: tierOf(context, entry) });
  }
}

/** Emits and counts a failure for deletions that wait: their callers do not see it. */
export function queueEvents({ counters, events }: Recorders, names: KeyNames, face: Source['face']): OnQueued {
  return (error, what, refused) => {
    const when = refused ? 'is refused by Redis and tried again' : 'waits until Redis is back';
    const subject = what === 'clear' ? 'the clear' : `the deletion of ${what.length} ${what.length === 1 ? 'key' : 'keys'}`;
    const event = new ConnectionError(`${subject} ${when}: ${error.message}`, { cause: error });
    event.operation = what === 'clear' ? 'clear' : operationOf(what, names, face);
    const isOne = what !== 'clear' && what.length === 1 && event.operation !== 'invalidateTags';
    const key = isOne ? keyName(names.space, what[0] as string) : undefined;
    if (key !== undefined) event.key = key;
    counters.failed(error);
    events.emit('error', event);
  };
}

/** The last attempt of deletions that wait, for a store that closes. */
export async function replayLast(queue: DeleteQueue, { events }: Pick<Recorders, 'events'>): Promise<void> {
  await queue.replay();
  const lost = queue.stop();
  if (lost === 0) return;
  const what = lost === 1 ? '1 deletion that waited for Redis was' : `${lost} deletions that waited for Redis were`;
  events.emit('error', new ConnectionError(`${what} never sent`));
}

function operationOf(redisKeys: readonly string[], { space }: KeyNames, face: Source['face']): string {
  if (redisKeys.every((redisKey) => space.isInternalKey?.(redisKey))) return 'invalidateTags';
  if (face === 'keyv') return redisKeys.length === 1 ? 'delete' : 'deleteMany';
  return redisKeys.length === 1 ? 'del' : 'mdel';
}

/**
 * Traces each command while the channel has a subscriber. It wraps batching and ordering, so that a trace shows what was asked for,
 * however it is batched below.
 */
export function tracedCommands<C extends Commands>(commands: C, names: KeyNames, source: Source): C {
  const traced = wrapEach(commands, (verb, call) => (a, b, c, d) => {
    if (!isTraced()) return call(a, b, c, d);
    const keys = verb.namesFirst ? verb.keys(a, b).slice(0, 1) : verb.keys(a, b);
    const key = keys.length === 1 ? keyName(names.space, String(keys[0])) : undefined;
    return trace({ source, command: verb.redis, key, keys: keys.length }, () => call(a, b, c, d), verb.hits);
  });
  return {
    ...traced,
    // Written out, because it is called so often that it can be measured.
    get: (key) => (isTraced() ? traced.get(key) : commands.get(key)),
  };
}
