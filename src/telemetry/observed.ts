import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import type { OrderedCommands } from '../commands/in-order.js';
import type { TrackedReads } from '../commands/tracked.js';
import type { Events } from '../events.js';
import type { KeySpace } from '../keys/keyspace.js';
import { holdsValue } from '../near/commands.js';
import type { NearTier } from '../near/tier.js';
import type { Counters } from './counters.js';
import { type Source, trace, traced } from './tracing.js';

/** Where what is seen goes. */
export interface Observers {
  readonly keys: Pick<KeySpace, 'fromWire' | 'isAside'>;
  readonly counters: Counters;
  readonly events: Events;
  readonly source: Source;
  /** What the near tier answers is no command. */
  readonly near?: Pick<NearTier, 'find'> | undefined;
}

type Keys = readonly (string | Buffer)[];
type Hits<T> = ((answer: T) => number) | undefined;

/**
 * Counts what is written and deleted, tells those who listen, and traces each command where somebody subscribed. The outermost
 * wrapper, so that a call is what the caller asked for, whatever it is gathered into below.
 */
export function observed(commands: OrderedCommands, observers: Observers): OrderedCommands {
  const { keys: space, counters, events, source, near } = observers;
  const atHand = (key: string): boolean => holdsValue(near?.find(key));
  const aside = (key: string | Buffer): boolean => space.isAside?.(String(key)) ?? false;
  const callersKey = (wire: string | Buffer): string | undefined => space.fromWire(String(wire));

  const traceOf = <T>(command: string, keys: Keys, call: () => Promise<T>, hits: Hits<T>): Promise<T> =>
    trace({ source, command, key: keys.length === 1 ? callersKey(keys[0] as string) : undefined, keys: keys.length }, call, hits);

  const onKey =
    <A extends unknown[], T>(command: string, call: (key: string, ...rest: A) => Promise<T>, hits?: Hits<T>) =>
    (key: string, ...rest: A): Promise<T> =>
      traced() ? traceOf(command, [key], () => call(key, ...rest), hits) : call(key, ...rest);
  const onKeys =
    <K extends string | Buffer, A extends unknown[], T>(
      command: string,
      call: (keys: readonly K[], ...rest: A) => Promise<T>,
      hits?: Hits<T>,
    ) =>
    (keys: readonly K[], ...rest: A): Promise<T> =>
      traced() ? traceOf(command, keys, () => call(keys, ...rest), hits) : call(keys, ...rest);

  const tracedGet = onKey('GET', commands.get, found);
  const getMany = onKeys('MGET', commands.getMany, foundMany);
  const set = onKey('SET', commands.set);
  const setMany = (entries: Parameters<OrderedCommands['setMany']>[0]): ReturnType<OrderedCommands['setMany']> =>
    traced()
      ? traceOf(
          'SET',
          entries.map(({ key }) => key),
          () => commands.setMany(entries),
          undefined,
        )
      : commands.setMany(entries);
  const add = onKey('SET', commands.add);
  const getAndDelete = onKey('GETDEL', commands.getAndDelete, found);
  const del = onKeys('UNLINK', commands.del);
  const sweep = onKeys('UNLINK', commands.sweep);
  const delEach = onKeys('UNLINK', commands.delEach);
  const drop = onKey('UNLINK', commands.drop);

  function writing(value: MaybePromise<Stored>): void {
    if (!(value instanceof Promise)) counters.write(value);
    // Where encoding it fails, whoever stores the value is told.
    else value.then((encoded) => counters.write(encoded)).catch(() => {});
  }

  function tracedReads({ get, watch }: TrackedReads): TrackedReads {
    const asked = onKey('GET', get, found);
    return {
      get: (key) => (atHand(key) ? get(key) : asked(key)),
      watch(keys) {
        const begun = watch(keys);
        return begun && { ...begun, read: () => onKeys('MGET', begun.read, foundMany)(keys) };
      },
    };
  }

  /** Tells of the entries that were stored, once they are. */
  function stored<T>(answer: Promise<T>, keys: readonly string[], was: (answer: T, i: number) => boolean = () => true): Promise<T> {
    if (!events.heard('set')) return answer;
    return answer.then((given) => {
      for (const [i, key] of keys.entries()) if (was(given, i)) events.emit('set', { key: callersKey(key) });
      return given;
    });
  }

  /** Counts the deletions, and tells of them once they were carried out. */
  function deleting<T>(given: Keys, answer: Promise<T>): Promise<T> {
    const keys = given.some(aside) ? given.filter((key) => !aside(key)) : given;
    counters.deletes += keys.length;
    if (!events.heard('delete')) return answer;
    return answer.then((answered) => {
      for (const key of keys) events.emit('delete', { key: callersKey(key) });
      return answered;
    });
  }

  return {
    ...commands,
    ...(commands.tracked ? { tracked: tracedReads(commands.tracked) } : {}),
    // Written out, as is `set`: these two are called so often that it can be measured.
    get: (key) => (traced() && !atHand(key) ? tracedGet(key) : commands.get(key)),
    getMany: (keys) => (near && keys.every(atHand) ? commands.getMany(keys) : getMany(keys)),
    set(key, value, ttl) {
      writing(value);
      return traced() || events.heard('set') ? stored(set(key, value, ttl), [key]) : commands.set(key, value, ttl);
    },
    setMany(entries) {
      for (const { value } of entries) writing(value);
      const keys = entries.map(({ key }) => key);
      return stored(setMany(entries), keys, (results, i) => results[i]?.status === 'fulfilled');
    },
    add(key, value, ttl) {
      // The generation of a tag is no entry, nor is a lease.
      if (aside(key)) return add(key, value, ttl);
      writing(value);
      return stored(add(key, value, ttl), [key], Boolean);
    },
    replace: onKey('EVALSHA', commands.replace),
    heads: (keys, length) =>
      traced() ? traceOf('GETRANGE', keys, () => commands.heads(keys, length), undefined) : commands.heads(keys, length),
    sweepHeads(entries) {
      const keys = entries.map(({ key }) => key);
      // Events name no key: which of them were still the same is not answered.
      const swept = traced() ? traceOf('EVALSHA', keys, () => commands.sweepHeads(entries), undefined) : commands.sweepHeads(entries);
      return swept.then((count) => {
        counters.deletes += count;
        return count;
      });
    },
    del: (keys, ...rest) => deleting(keys, del(keys, ...rest)),
    sweep: (keys) => deleting(keys, sweep(keys)),
    delEach: (keys, leases) => deleting(keys, delEach(keys, leases)),
    drop: (key, lease) => deleting([key], drop(key, lease)),
    getAndDelete: (key) => deleting([key], getAndDelete(key)),
    has: onKey('EXISTS', commands.has, Number),
    hasMany: onKeys('EXISTS', commands.hasMany, (answers) => answers.filter(Boolean).length),
    pttl: onKey('PTTL', commands.pttl),
    pttlMany: onKeys('PTTL', commands.pttlMany),
    expire: onKey('PEXPIRE', commands.expire),
    persist: onKey('PERSIST', commands.persist),
    incrBy: onKey('INCRBY', commands.incrBy),
    rename: onKey('RENAME', commands.rename),
    getWithTtl: onKey('GET', commands.getWithTtl, ({ stored }) => found(stored)),
    fill(entry, claim) {
      const { key } = entry;
      writing(entry.value);
      const filled = traced() ? traceOf('EVALSHA', [key], () => commands.fill(entry, claim), undefined) : commands.fill(entry, claim);
      return stored(filled, [key], Boolean);
    },
    renew: onKey('EVALSHA', commands.renew),
    release: onKey('EVALSHA', commands.release),
    acquire: onKey('EVALSHA', commands.acquire),
  };
}

/** Counts what was read for a caller, and tells those who listen. `near`: the near tier answered. */
export function sawRead({ counters, events }: Observers, operation: string, key: string, stored: Stored | null, near = false): void {
  if (stored === null) {
    counters.misses++;
    if (near) counters.nearMisses++;
    if (events.heard('miss')) events.emit('miss', { operation, key });
  } else {
    counters.hit(stored);
    if (near) counters.nearHits++;
    if (events.heard('hit')) events.emit('hit', { operation, key, bytes: Buffer.byteLength(stored) });
  }
}

function found(stored: Stored | null): number {
  return stored === null ? 0 : 1;
}

function foundMany(answers: readonly (Stored | null)[]): number {
  return answers.reduce((sum, answer) => sum + found(answer), 0);
}
