import type { Stored } from '../codec/codec.js';
import type { Commands } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import { type KeySpace, namedBy } from '../keys/keyspace.js';
import { type Source, trace, traced } from './tracing.js';

/** Wraps commands, so that what leaves by them is traced. */
export type Tracer = <C extends Commands>(commands: C) => C;

/** The verbs of a store, for a tracer that is put where calls leave for Redis: behind what answers in this process. */
export type Verbs = (tracer: Tracer) => OrderedCommands;

type Keys = readonly (string | Buffer)[];
type Hits<T> = ((answer: T) => number) | undefined;

/**
 * Traces each command where somebody subscribed. It stands in front of what coalesces and orders, so that a command is what was asked for,
 * whatever it is gathered into below.
 */
export function tracer(keySpace: Pick<KeySpace, 'fromWire'>, source: Source): Tracer {
  return (commands) => tracedCommands(commands as unknown as OrderedCommands, keySpace, source) as unknown as typeof commands;
}

function tracedCommands(commands: OrderedCommands, keySpace: Pick<KeySpace, 'fromWire'>, source: Source): OrderedCommands {
  const traceOf = <T>(command: string, keys: Keys, call: () => Promise<T>, hits?: Hits<T>): Promise<T> => {
    const key = keys.length === 1 ? namedBy(keySpace, String(keys[0])) : undefined;
    return trace({ source, command, key, keys: keys.length }, call, hits);
  };

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
  const onEntries =
    <E extends { readonly key: string }, T>(command: string, call: (entries: readonly E[]) => Promise<T>) =>
    (entries: readonly E[]): Promise<T> =>
      traced()
        ? traceOf(
            command,
            entries.map(({ key }) => key),
            () => call(entries),
          )
        : call(entries);

  return {
    ...commands,
    // Written out, as is `set`: these two are called so often that it can be measured.
    get: (key) => (traced() ? traceOf('GET', [key], () => commands.get(key), found) : commands.get(key)),
    set: (key, value, ttl) => (traced() ? traceOf('SET', [key], () => commands.set(key, value, ttl)) : commands.set(key, value, ttl)),
    getMany: onKeys('MGET', commands.getMany, (answers) => answers.reduce((sum, answer) => sum + found(answer), 0)),
    setMany: onEntries('SET', commands.setMany),
    add: onKey('SET', commands.add),
    replace: onKey('EVALSHA', commands.replace),
    heads: onKeys('GETRANGE', commands.heads),
    sweepHeads: onEntries('EVALSHA', commands.sweepHeads),
    del: onKeys('UNLINK', commands.del),
    sweep: onKeys('UNLINK', commands.sweep),
    delEach: onKeys('UNLINK', commands.delEach),
    drop: onKey('UNLINK', commands.drop),
    getAndDelete: onKey('GETDEL', commands.getAndDelete, found),
    has: onKey('EXISTS', commands.has, Number),
    hasMany: onKeys('EXISTS', commands.hasMany, (answers) => answers.filter(Boolean).length),
    pttl: onKey('PTTL', commands.pttl),
    pttlMany: onKeys('PTTL', commands.pttlMany),
    expire: onKey('PEXPIRE', commands.expire),
    stamp: onKey('EVALSHA', commands.stamp),
    persist: onKey('PERSIST', commands.persist),
    incrBy: onKey('INCRBY', commands.incrBy),
    rename: onKey('RENAME', commands.rename),
    getWithTtl: onKey('GET', commands.getWithTtl, ({ stored }) => found(stored)),
    fill: (entry, claim) => (traced() ? traceOf('EVALSHA', [entry.key], () => commands.fill(entry, claim)) : commands.fill(entry, claim)),
    claim: onKey('EVALSHA', commands.claim),
    retire: onKey('EVALSHA', commands.retire),
    renew: onKey('EVALSHA', commands.renew),
    release: onKey('EVALSHA', commands.release),
    acquire: onKey('EVALSHA', commands.acquire),
  };
}

function found(stored: Stored | null): number {
  return stored === null ? 0 : 1;
}
