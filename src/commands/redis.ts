import { readEntry, type Stored } from '../codec/entry.js';
import type { Argument, Connection, Reply, Route } from '../connection/connection.js';
import type { Pool } from '../connection/pools.js';
import { isReplyOf } from '../connection/reply-errors.js';
import { LockError } from '../errors.js';
import type { RedisTtl } from '../ttl.js';
import { batchSize, type Commands, type Leases, missing, type NewEntry } from './commands.js';
import { scan } from './scan.js';
import * as scripts from './scripts.js';

type Send = (args: readonly Argument[], route?: Route) => Promise<Reply>;

/** The commands, sent to Redis through a pool. */
export function redisCommands(pool: Pool): Commands {
  const send: Send = (args, route) => pool.use((connection) => connection.send(args, route));

  const run = (script: scripts.Script, on: string | readonly [string, ...string[]], ...args: readonly Argument[]): Promise<Reply> =>
    pool.use((connection) => script(connection, on, ...args));

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
  const each = (connection: Connection, keys: readonly string[], command: string, readonly: boolean): Promise<number[]> =>
    Promise.all(keys.map(async (key) => Number(await connection.send([command, key], { key, readonly }))));

  const pipelined = (keys: readonly string[], command: string): Promise<number[]> =>
    inBatches(keys, (connection, part) => each(connection, part, command, true));

  async function unlinkOn(connection: Connection, keys: readonly (string | Buffer)[]): Promise<number[]> {
    return [Number(await connection.send(['UNLINK', ...keys], { key: String(keys[0]), divisible: true }))];
  }

  /**
   * Deletes keys after their leases, so that no load under way is stored after the deletion. Both travel over one connection, which
   * keeps that order.
   */
  function unlinkAfter<K, R>(
    keys: readonly K[],
    leases: Leases,
    unlink: (connection: Connection, keys: readonly K[], leases: readonly string[]) => Promise<readonly R[]>,
  ): Promise<R[]> {
    return inBatches(keys, (connection, part, from) => {
      const theirs = leases.slice(from, from + part.length).filter((lease) => lease !== undefined);
      return unlink(connection, part, theirs);
    });
  }

  async function afterLeases<R>(connection: Connection, leases: readonly string[], deletion: () => Promise<R>): Promise<R> {
    if (leases.length === 0) return deletion();
    const [, result] = await Promise.all([unlinkOn(connection, leases), deletion()]);
    return result;
  }

  return {
    get: (key) => (send(['GET', key], { key, readonly: true }) as Promise<Buffer | null>).then(readEntry),
    getMany: (keys) =>
      inBatches(keys, async (connection, part) => {
        const replies = await connection.send(['MGET', ...part], { key: part[0], readonly: true, divisible: true });
        return (replies as (Buffer | null)[]).map(readEntry);
      }),
    async getWithTtl(key) {
      const [left, reply] = await pool.use((connection) =>
        Promise.all([connection.send(['PTTL', key], { key, readonly: true }), connection.send(['GET', key], { key, readonly: true })]),
      );
      return { entry: readEntry(reply as Buffer | null), left: Number(left) };
    },
    set: (key, value, ttl) => send(setArguments(key, value, ttl), { key }),
    async setMany(entries) {
      const results: PromiseSettledResult<unknown>[] = [];
      try {
        await inBatches(entries, async (connection, part) => {
          const sent = part.map(({ key, value, ttl }: NewEntry) => connection.send(setArguments(key, value, ttl), { key }));
          results.push(...(await Promise.allSettled(sent)));
          return [];
        });
      } catch (reason) {
        // Earlier batches stay written. Later ones are not tried, so that the failure takes one deadline.
        while (results.length < entries.length) results.push({ status: 'rejected', reason });
      }
      return results;
    },
    add: async (key, value, ttl) => (await send([...setArguments(key, value, ttl), 'NX'], { key })) !== null,
    replace: (key, expected, value, ttl) => run(scripts.compareAndSet, key, expected, value, text(ttl)).then(isOne),
    unlink(keys, { leases = [], counted = true } = {}) {
      if (keys.length === 1 && !counted) {
        const args = leases[0] === undefined ? ['UNLINK', keys[0] as string] : ['UNLINK', leases[0], keys[0] as string];
        return send(args, { key: String(keys[0]), divisible: true }) as Promise<number>;
      }
      const counts = unlinkAfter(keys, leases, (connection, part, theirs) =>
        counted ? afterLeases(connection, theirs, () => unlinkOn(connection, part)) : unlinkOn(connection, [...theirs, ...part]),
      );
      return counts.then(sum);
    },
    async unlinkEach(keys, leases = []) {
      const counts = await unlinkAfter(keys, leases, (connection, part, theirs) =>
        afterLeases(connection, theirs, () => each(connection, part, 'UNLINK', false)),
      );
      return counts.map(Boolean);
    },
    async unlinkUnchanged(entries) {
      const counts = await inBatches(entries, (connection, part) =>
        Promise.all(part.map(async ({ key, prefix }) => Number(await scripts.unlinkIfUnchanged(connection, key, prefix)))),
      );
      return sum(counts);
    },
    getAndDelete: (key, lease) =>
      pool.use(async (connection) => {
        const ending = lease === undefined ? undefined : unlinkOn(connection, [lease]);
        ending?.catch(() => {});
        const taken = readEntry((await connection.send(['GETDEL', key], { key })) as Buffer | null);
        // A value that was taken is not lost because its lease could not be deleted.
        if (!taken.found) await ending;
        return taken;
      }),
    prefixes: (keys, length) =>
      inBatches(keys, (connection, part) => Promise.all(part.map((key) => prefixOn(connection, key, String(length - 1))))),
    has: (key) => send(['EXISTS', key], { key, readonly: true }).then(isOne),
    hasMany: async (keys) => (await pipelined(keys, 'EXISTS')).map(Boolean),
    pttl: (key) => send(['PTTL', key], { key, readonly: true }).then(Number),
    pttlMany: (keys) => pipelined(keys, 'PTTL'),
    expire: async (key, ttl) => ((await run(scripts.expireWithWindow, key, text(ttl))) as Buffer | null) ?? null,
    ensureGeneration: (key, id, ttl) => run(scripts.ensureGeneration, key, id ?? '', text(ttl)).then(optionalText),
    persist: (key) => send(['PERSIST', key], { key }).then(isOne),
    async incrBy(key, delta, initial, ttl) {
      const total = optionalText(await run(scripts.incrementBy, key, text(delta), text(initial), text(ttl)));
      return total === undefined ? undefined : Number(total);
    },
    claim: (lease, token, time, urgent) => run(scripts.claimLease, lease, token, text(time), urgent ? '1' : '0').then(optionalText),
    setUnderLease: ({ key, value, ttl }, { lease, token, digest, mayBeGone }) =>
      run(scripts.setUnderLease, [key, lease], token, digest, mayBeGone ? '1' : '0', value, text(ttl)).then(isOne),
    unlinkUnderLease: (key, { lease, token, digest }, mark) =>
      run(scripts.unlinkUnderLease, [key, lease], token, digest, mark.text, text(mark.time)).then(isOne),
    renew: (key, token, time) => run(scripts.renewToken, key, token, text(time)).then(isOne),
    release: (key, token, mark) => run(scripts.releaseToken, key, token, mark?.text ?? '', text(mark?.time)).then(isOne),
    async acquire(lock, fence, token, time) {
      const taken = optionalText(await run(scripts.acquireLock, [lock, fence], token, text(time)));
      if (taken === '') throw new LockError('fence');
      return taken === undefined ? undefined : Number(taken);
    },
    async rename(from, to) {
      try {
        await send(['RENAME', from, to], { key: from });
        return true;
      } catch (error) {
        // An EXISTS beforehand would be a race.
        if (isReplyOf(error, 'missing key')) return false;
        if (isReplyOf(error, 'other slot')) return moveAcrossSlots(send, from, to);
        throw error;
      }
    },
    scan: (glob, cursor) => scan(pool, glob, cursor),
    async ping() {
      await send(['PING']);
    },
  };
}

async function prefixOn(connection: Connection, key: string, last: string): Promise<Buffer | null> {
  try {
    const prefix = (await connection.send(['GETRANGE', key, '0', last], { key, readonly: true })) as Buffer;
    return prefix.length === 0 ? null : prefix;
  } catch (error) {
    if (isReplyOf(error, 'wrong type')) return null;
    throw error;
  }
}

/**
 * RENAME between two nodes of a cluster: DUMP and PTTL, RESTORE, UNLINK. Not atomic: for a moment both keys hold the entry, and a write to
 * the old one meanwhile is lost with it. @returns whether it existed
 */
async function moveAcrossSlots(send: Send, from: string, to: string): Promise<boolean> {
  const [dump, ttl] = await Promise.all([send(['DUMP', from], { key: from }), send(['PTTL', from], { key: from })]);
  // It may expire between the two.
  if (dump === null || Number(ttl) === missing) return false;
  await send(['RESTORE', to, String(Math.max(0, Number(ttl))), dump as Buffer, 'REPLACE'], { key: to });
  await send(['UNLINK', from], { key: from });
  return true;
}

function setArguments(key: string, value: Stored, ttl: RedisTtl): Argument[] {
  return ttl === undefined ? ['SET', key, value] : ['SET', key, value, 'PX', String(ttl)];
}

/** An argument of a script; an empty one stands for none. */
function text(argument: number | string | undefined): string {
  return argument === undefined ? '' : String(argument);
}

function isOne(reply: Reply): boolean {
  return reply === 1;
}

function optionalText(reply: Reply): string | undefined {
  return reply === null || reply === undefined ? undefined : String(reply);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
