import { isUtf8 } from 'node:buffer';
import type { Stored } from '../codec/codec.js';
import type { Argument, Connection, Reply, Route } from '../connection/connection.js';
import type { Pool } from '../connection/pool.js';
import { CommandError } from '../errors.js';
import type { WireTtl } from '../ttl.js';
import type { Commands, Entry, Page } from './commands.js';
import { Script } from './script.js';

/** Keys in one command or pipeline: enough to make round trips rare, few enough to keep every step well inside its deadline. */
const batch = 1000;

/** SCAN's COUNT: the keys Redis looks at in one step. With 250 and 1000 clearing takes longer, measured. */
const scanCount = '500';

// A reply of nil for a missing key tells it from a count; what leaves the range of exact integers is undone.
const increment = new Script(`
local initial = ARGV[2]
local created = redis.call('EXISTS', KEYS[1]) == 0
if created then
  if initial == '' then return nil end
  if ARGV[3] == '' then redis.call('SET', KEYS[1], initial) else redis.call('SET', KEYS[1], initial, 'PX', ARGV[3]) end
end
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if sum > 9007199254740991 or sum < -9007199254740991 then
  if created then redis.call('DEL', KEYS[1]) else redis.call('DECRBY', KEYS[1], ARGV[1]) end
  return redis.error_reply('ERR increment or decrement would leave the range of exact integers')
end
return sum`);

const compareAndSet = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`);

/** The verbs, spoken to a real Redis through a pool. */
export function redisCommands(pool: Pool): Commands {
  function send(args: readonly Argument[], route?: Route): Promise<Reply> {
    return pool.use((connection) => connection.send(args, route));
  }

  /** One pipeline for a batch, on one connection; batches one after the other, so that a deadline is that of a batch. */
  async function inBatches<T, R>(
    items: readonly T[],
    work: (connection: Connection, items: readonly T[]) => Promise<readonly R[]>,
  ): Promise<R[]> {
    const results: R[] = [];
    for (let i = 0; i < items.length; i += batch) {
      const part = items.slice(i, i + batch);
      results.push(...(await pool.use((connection) => work(connection, part))));
    }
    return results;
  }

  const pipelined = (keys: readonly string[], command: string, readonly: boolean): Promise<number[]> =>
    inBatches(keys, async (connection, part) => {
      const replies = await Promise.all(part.map((key) => connection.send([command, key], { key, readonly })));
      return replies.map(Number);
    });

  return {
    async get(key) {
      return stored(await send(['GET', key], { key, readonly: true }));
    },
    getMany: (keys) =>
      inBatches(keys, async (connection, part) => {
        const replies = await connection.send(['MGET', ...part], { key: part[0], readonly: true });
        return (replies as Reply[]).map(stored);
      }),
    set: (key, value, ttl) => send(setArguments(key, value, ttl), { key }),
    async setMany(entries) {
      const results: PromiseSettledResult<unknown>[] = [];
      try {
        await inBatches(entries, async (connection, part) => {
          const sent = part.map(({ key, value, ttl }: Entry) => connection.send(setArguments(key, value, ttl), { key }));
          results.push(...(await Promise.allSettled(sent)));
          return [];
        });
      } catch (reason) {
        // What was written before stays written; the rest is not tried, so that the failure takes one deadline and not many.
        while (results.length < entries.length) results.push({ status: 'rejected', reason });
      }
      return results;
    },
    async add(key, value, ttl) {
      return (await send([...setArguments(key, value, ttl), 'NX'], { key })) !== null;
    },
    async replace(key, expected, value) {
      return (await pool.use((connection) => compareAndSet.run(connection, key, expected, value))) === 1;
    },
    async del(keys) {
      const counts = await inBatches(keys, async (connection, part) => [
        await connection.send(['UNLINK', ...part], { key: String(part[0]) }),
      ]);
      return counts.reduce<number>((sum, count) => sum + Number(count), 0);
    },
    delEach: async (keys) => (await pipelined(keys, 'UNLINK', false)).map(Boolean),
    async getAndDelete(key) {
      return stored(await send(['GETDEL', key], { key }));
    },
    async has(key) {
      return (await send(['EXISTS', key], { key, readonly: true })) === 1;
    },
    hasMany: async (keys) => (await pipelined(keys, 'EXISTS', true)).map(Boolean),
    async pttl(key) {
      return Number(await send(['PTTL', key], { key, readonly: true }));
    },
    pttlMany: (keys) => pipelined(keys, 'PTTL', true),
    async expire(key, ttl) {
      if (ttl !== undefined) return (await send(['PEXPIRE', key, String(ttl)], { key })) === 1;
      const [, exists] = await pool.use((connection) =>
        Promise.all([connection.send(['PERSIST', key], { key }), connection.send(['EXISTS', key], { key })]),
      );
      return exists === 1;
    },
    async persist(key) {
      return (await send(['PERSIST', key], { key })) === 1;
    },
    async incrBy(key, delta, initial, ttl) {
      const args = [delta, initial ?? '', ttl ?? ''].map(String);
      const sum = await pool.use((connection) => increment.run(connection, key, ...args));
      return sum === null || sum === undefined ? undefined : Number(sum);
    },
    async rename(from, to) {
      try {
        await send(['RENAME', from, to], { key: from });
        return true;
      } catch (error) {
        // Redis has no reply of its own for a missing key here, and an EXISTS beforehand would be a race.
        if (error instanceof CommandError && String((error.cause as Error).message) === 'ERR no such key') return false;
        throw error;
      }
    },
    async *scan(glob, cursor = '0'): AsyncGenerator<Page, void, undefined> {
      const ask = (from: string): Promise<Reply> => {
        const page = send(['SCAN', from, 'MATCH', glob, 'COUNT', scanCount]);
        // Awaited later, or never where the caller has seen enough: a rejection must not go unhandled.
        page.catch(() => {});
        return page;
      };
      let asked: Promise<Reply> | undefined = ask(cursor);
      while (asked) {
        const [following, keys] = (await asked) as [Reply, Buffer[]];
        const next = String(following);
        // Redis looks for the next page while this one is dealt with.
        asked = next === '0' ? undefined : ask(next);
        yield { keys: keys.map((key) => (isUtf8(key) ? key.toString() : key)), next };
      }
    },
    async ping() {
      await send(['PING']);
    },
  };
}

function setArguments(key: string, value: Stored, ttl: WireTtl): Argument[] {
  return ttl === undefined ? ['SET', key, value] : ['SET', key, value, 'PX', String(ttl)];
}

function stored(reply: Reply): Stored | null {
  return reply === null || reply === undefined ? null : (reply as Buffer);
}
