import { readEntry, type Stored } from '../codec/entry.js';
import type { Answer, Argument, Connection, Reply, Route } from '../connection/connection.js';
import type { CommandPool } from '../connection/guard.js';
import { failureOf, type Outcomes } from '../connection/outcomes.js';
import { isReplyOf } from '../connection/reply-errors.js';
import { LockError } from '../errors.js';
import type { KeptTtl, RedisTtl } from '../ttl.js';
import { batchSize, type Commands, type SetEntry } from './commands.js';
import * as leases from './lease-scripts.js';
import { entriesOf } from './partial-read.js';
import { RefusedCommands } from './refused.js';
import { asEntry, asItIs, asOne, asStored, isOne, optionalBytes, optionalNumber, optionalText } from './replies.js';
import { scan } from './scan.js';
import { needsScripts, type Script, type ScriptArgument, type ScriptKeys } from './script.js';
import * as scripts from './scripts.js';
import {
  ensureGenerationOn,
  expireGenerationOn,
  expireNowOn,
  expireOn,
  expireUnchangedOn,
  getAndExpireOn,
  getManyOn,
  moveAcrossSlots,
  prefixOn,
  setKeepingTtlOn,
  takeOn,
  timeLeftOn,
  unlinkOn,
} from './substitutes.js';
import { Unlinking } from './unlinking.js';

/** The commands, sent to Redis through a pool. `refused`: what the store knows of commands that Redis refuses. */
export function redisCommands(pool: CommandPool, refused = new RefusedCommands()): Commands {
  const send = <T>(args: readonly Argument[], route: Route | undefined, answer: Answer<T>): Promise<T> =>
    pool.sendAlone?.(args, answer) ?? pool.use((connection) => connection.send(args, route)).then(answer.read);

  /** `error`: that of the digest, if it was sent before. */
  const runOn = (
    connection: Connection,
    script: Script,
    command: readonly Argument[],
    instead: (connection: Connection) => Promise<Reply> = needsScripts,
    error?: unknown,
  ): Promise<Reply> =>
    refused.either(
      connection,
      'EVAL',
      () => (error === undefined ? script.send(connection, refused, command) : script.sendSource(connection, refused, command, error)),
      () => instead(connection),
    );

  /** `instead`: without scripts. */
  function run<T>(
    script: Script,
    on: ScriptKeys,
    args: readonly ScriptArgument[],
    read: (reply: Reply) => T,
    instead?: (connection: Connection) => Promise<Reply>,
  ): Promise<T> {
    const command = script.command(on, args);
    if (!refused.has('EVALSHA') && !refused.has('EVAL')) {
      const withSource = (error: unknown, connection: Connection): Promise<T> =>
        runOn(connection, script, command, instead, error).then(read);
      const answer = pool.sendAlone?.(command, { read, instead: withSource });
      if (answer) return answer;
    }
    return pool.use((connection) => runOn(connection, script, command, instead)).then(read);
  }

  /** One pipeline for a batch, on one connection; batches one after the other, so that each has a deadline of its own. */
  async function inBatches<T, R>(
    items: readonly T[],
    work: (connection: Connection, items: readonly T[], from: number) => Promise<readonly R[]>,
  ): Promise<R[]> {
    const results: R[] = [];
    for (let from = 0; from < items.length; from += batchSize) {
      const part = items.slice(from, from + batchSize);
      results.push(...(await pool.use((connection) => work(connection, part, from))));
    }
    return results;
  }

  /** One command for each key, in one pipeline. */
  const pipelined = <T>(keys: readonly string[], ask: (connection: Connection, key: string) => Promise<T>): Promise<T[]> =>
    inBatches(keys, (connection, part) => Promise.all(part.map((key) => ask(connection, key))));

  function setOne(key: string, value: Stored, ttl: RedisTtl | KeptTtl): Promise<Reply> {
    if (typeof ttl !== 'object') return send(setArguments(key, value, ttl), { key }, asItIs);
    return run(scripts.setKeepingTtl, key, [value, ttl.otherwise, ttl.max], asItIs.read, (connection) =>
      setKeepingTtlOn(connection, refused, setArguments(key, value, undefined), ttl),
    );
  }

  /** One pipeline, but for entries that keep a time: each is a script of its own. */
  function setEach(entries: readonly SetEntry[]): Promise<Outcomes> {
    if (entries.some(({ ttl }) => typeof ttl === 'object'))
      return Promise.allSettled(entries.map(({ key, value, ttl }) => setOne(key, value, ttl)));
    const commands = entries.map(({ key, value, ttl }) => setArguments(key, value, ttl as RedisTtl));
    let outcomes: Outcomes | undefined;
    const sendEach = async (connection: Connection): Promise<Outcomes> => {
      outcomes = await Promise.allSettled(commands.map((args, i) => connection.send(args, { key: entries[i]?.key })));
      const failure = failureOf(outcomes);
      // The breaker counts it.
      if (failure !== undefined) throw failure;
      return outcomes;
    };
    return (
      pool.sendEach?.(commands) ??
      pool.use(sendEach).catch((error: unknown) => {
        if (outcomes === undefined) throw error;
        return outcomes;
      })
    );
  }

  const unlinking = new Unlinking(pool, refused);

  const has = async (connection: Connection, key: string): Promise<boolean> =>
    isOne(await connection.send(['EXISTS', key], { key, readonly: true }));

  return {
    get: (key) => send(['GET', key], { key, readonly: true }, asEntry),
    getMany: (keys, from) => inBatches(keys, async (connection, part) => entriesOf(part, await getManyOn(connection, refused, part, from))),
    async getWithTtl(key) {
      const [left, reply] = await pool.use((connection) =>
        Promise.all([timeLeftOn(connection, refused, key), connection.send(['GET', key], { key, readonly: true })]),
      );
      return { entry: readEntry(reply as Buffer | null), left };
    },
    set: setOne,
    async setMany(entries) {
      const results: PromiseSettledResult<unknown>[] = [];
      try {
        for (let from = 0; from < entries.length; from += batchSize) {
          const outcomes = await setEach(entries.slice(from, from + batchSize));
          results.push(...outcomes);
          const failure = failureOf(outcomes);
          if (failure !== undefined) throw failure;
        }
      } catch (reason) {
        // Earlier batches stay written. Later ones are not tried, so that the failure takes one deadline.
        while (results.length < entries.length) results.push({ status: 'rejected', reason });
      }
      return results;
    },
    add: (key, value, ttl) => send([...setArguments(key, value, ttl), 'NX'], { key }, asStored),
    replace: (key, expected, value, ttl) => run(scripts.compareAndSet, key, [expected, value, ttl], isOne),
    unlink: (keys, { leases = [], counted = true } = {}) => unlinking.count(keys, leases, counted),
    unlinkEach: (keys, leases = []) => unlinking.each(keys, leases),
    async unlinkUnchanged(entries) {
      const counts = await inBatches(entries, (connection, part) =>
        Promise.all(
          part.map(({ key, prefix, isWhole }) =>
            runOn(connection, scripts.unlinkIfUnchanged, scripts.unlinkIfUnchanged.command(key, [prefix, isWhole])),
          ),
        ),
      );
      return sum(counts.map(Number));
    },
    getAndDelete: (key, lease) =>
      pool.use(async (connection) => {
        const ending = lease === undefined ? undefined : unlinkOn(connection, refused, [lease]);
        ending?.catch(() => {});
        const taking = refused.either(
          connection,
          'GETDEL',
          () => connection.send(['GETDEL', key], { key }),
          () => runOn(connection, scripts.getAndDelete, scripts.getAndDelete.command(key, []), () => takeOn(connection, key)),
        );
        const taken = readEntry((await taking) as Buffer | null);
        // A value that was taken is not lost because its lease could not be deleted.
        if (!taken.found) await ending;
        return taken;
      }),
    prefixes: (keys, length) => pipelined(keys, (connection, key) => prefixOn(connection, key, length)),
    has: (key) => pool.use((connection) => has(connection, key)),
    hasMany: (keys) => pipelined(keys, has),
    pttl: (key) => pool.use((connection) => timeLeftOn(connection, refused, key)),
    pttlMany: (keys) => pipelined(keys, (connection, key) => timeLeftOn(connection, refused, key)),
    getAndExpire: (key, ttl) =>
      run(scripts.getAndExpire, key, [ttl], asEntry.read, (connection) => getAndExpireOn(connection, refused, key, ttl)),
    expireUnchanged: (key, digest, ttl) =>
      run(scripts.expireUnchanged, key, [digest, ttl], isOne, (connection) => expireUnchangedOn(connection, refused, key, digest, ttl)),
    expireNow: (key, lease) =>
      run(scripts.expireNow, lease === undefined ? key : [key, lease], [], isOne, (connection) =>
        expireNowOn(connection, refused, key, lease),
      ),
    expire: (key, ttl) => run(scripts.expireWithWindow, key, [ttl], optionalBytes, (connection) => expireOn(connection, key, ttl)),
    ensureGeneration: (key, id, ttl) =>
      run(scripts.ensureGeneration, key, [id, ttl], optionalText, (connection) => ensureGenerationOn(connection, refused, key, id, ttl)),
    expireGeneration: (key, id) =>
      run(
        scripts.expireGeneration,
        key,
        [id],
        () => {},
        (connection) => expireGenerationOn(connection, key, id),
      ),
    persist: (key) => send(['PERSIST', key], { key }, asOne),
    incrBy: (key, delta, initial, ttl) => run(scripts.incrementBy, key, [text(delta), text(initial), ttl], optionalNumber),
    claim: (lease, key, { token, time, urgent, fresh }) =>
      run(leases.claimLease, [lease, key], [token, time, urgent, fresh], (reply) =>
        typeof reply === 'number' ? reply > 0 : String(reply),
      ),
    setUnderLease: ({ key, value, ttl }, { lease, token, digest, mayBeGone }) =>
      run(leases.setUnderLease, [key, lease], [token, digest, mayBeGone, value, ttl], isOne),
    unlinkUnderLease: (key, { lease, token, digest }, mark) =>
      run(leases.unlinkUnderLease, [key, lease], [token, digest, mark.text, mark.time], isOne),
    renew: (key, token, time) => run(leases.renewToken, key, [token, time], isOne),
    release: (key, token, mark) => run(leases.releaseToken, key, [token, mark?.text, mark?.time], isOne),
    async acquire(lock, fence, token, time) {
      const taken = await run(leases.acquireLock, [lock, fence], [token, time], optionalText);
      if (taken === '') throw new LockError('fence');
      return optionalNumber(taken);
    },
    async rename(from, to) {
      try {
        await send(['RENAME', from, to], { key: from }, asItIs);
        return true;
      } catch (error) {
        // An EXISTS beforehand would be a race.
        if (isReplyOf(error, 'missing key')) return false;
        if (isReplyOf(error, 'other slot')) return pool.use((connection) => moveAcrossSlots(connection, refused, from, to));
        throw error;
      }
    },
    scan: (glob, cursor) => scan(pool, refused, glob, cursor),
    async ping() {
      await send(['PING'], undefined, asItIs);
    },
  };
}

function setArguments(key: string, value: Stored, ttl: RedisTtl): Argument[] {
  return ttl === undefined ? ['SET', key, value] : ['SET', key, value, 'PX', String(ttl)];
}

/** An argument of a script that is hidden, as values are; an empty one stands for none. */
function text(argument: number | string | undefined): string {
  return argument === undefined ? '' : String(argument);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
