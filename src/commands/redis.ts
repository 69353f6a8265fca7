import type { Stored } from '../codec/codec.js';
import type { Argument, Connection, Reply, Route } from '../connection/connection.js';
import type { Pool } from '../connection/pool.js';
import { CommandError } from '../errors.js';
import type { WireTtl } from '../ttl.js';
import { carry } from './carry.js';
import { type Commands, type Entry, headLength, type Leases } from './commands.js';
import { redisLeases } from './leases.js';
import { scan } from './scan.js';
import { Script } from './script.js';

/** Keys in one command or pipeline: enough to make round trips rare, few enough to keep every step well inside its deadline. */
export const batch = 1000;

// A reply of nil for a missing key tells it from a count; what leaves the range of exact integers is undone. The sum is sent as text:
// node-redis reads an integer reply of 9007199254740991 as one more.
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
return string.format('%.0f', sum)`);

const compareAndSet = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == 'keep' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
elseif ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`);

// The marker and the two numbers of a stale window take 48 bytes at most. What is no string has none.
const expire = new Script(`
local head = redis.pcall('GETRANGE', KEYS[1], 0, ${headLength - 1})
if type(head) == 'table' then head = '' end
local staleFor = string.match(head, '^\\193stale%.(%d+)%.%d+%z')
local exists
if ARGV[1] == '' then
  redis.call('PERSIST', KEYS[1])
  exists = redis.call('EXISTS', KEYS[1])
else
  exists = redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[1]) + tonumber(staleFor or '0')))
end
if exists == 0 then return nil end
if string.sub(head, 1, 2) == '\\193t' or staleFor then return head end
return ''`);

// PEXPIRE and PERSIST need no memory: a full server still extends what is there.
const stamp = new Script(`
local id = redis.call('GET', KEYS[1])
if not id then
  if ARGV[1] == '' then return nil end
  if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
  return ARGV[1]
end
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1])
else
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return id`);

const unlinkIfBegins = new Script(`
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])`);

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

  /** One command for each key, in one pipeline. */
  const each = (connection: Connection, keys: readonly string[], command: string, readonly: boolean): Promise<number[]> =>
    Promise.all(keys.map(async (key) => Number(await connection.send([command, key], { key, readonly }))));

  const pipelined = (keys: readonly string[], command: string): Promise<number[]> =>
    inBatches(keys, (connection, part) => each(connection, part, command, true));

  async function unlinkOn(connection: Connection, keys: readonly (string | Buffer)[]): Promise<number[]> {
    return [Number(await connection.send(['UNLINK', ...keys], { key: String(keys[0]), divisible: true }))];
  }

  /** A batch of keys at a time, with their leases, which stand in the same order. */
  function withLeases<K, R>(
    keys: readonly K[],
    leases: Leases,
    work: (connection: Connection, keys: readonly K[], leases: readonly string[]) => Promise<readonly R[]>,
  ): Promise<R[]> {
    let done = 0;
    return inBatches(keys, (connection, part) => {
      const from = done;
      done += part.length;
      const ending = leases.slice(from, done).filter((lease) => lease !== undefined);
      return work(connection, part, ending);
    });
  }

  /** Leases go first: what a load has under way is then not stored behind the deletion. One connection keeps this order. */
  async function afterLeases<R>(connection: Connection, leases: readonly string[], deletion: () => Promise<R>): Promise<R> {
    if (leases.length === 0) return deletion();
    const [, result] = await Promise.all([unlinkOn(connection, leases), deletion()]);
    return result;
  }

  async function unlink(keys: readonly (string | Buffer)[], leases: Leases = [], uncounted = false): Promise<number> {
    const counts = await withLeases(keys, leases, (connection, part, ending) =>
      uncounted ? unlinkOn(connection, [...ending, ...part]) : afterLeases(connection, ending, () => unlinkOn(connection, part)),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  return {
    async get(key) {
      return stored(await send(['GET', key], { key, readonly: true }));
    },
    getMany: (keys) =>
      inBatches(keys, async (connection, part) => {
        const replies = await connection.send(['MGET', ...part], { key: part[0], readonly: true, divisible: true });
        return (replies as Reply[]).map(stored);
      }),
    async getWithTtl(key) {
      const [left, reply] = await pool.use((connection) =>
        Promise.all([connection.send(['PTTL', key], { key, readonly: true }), connection.send(['GET', key], { key, readonly: true })]),
      );
      return { stored: stored(reply as Reply), left: Number(left) };
    },
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
    async replace(key, expected, value, ttl) {
      const time = ttl === undefined ? '' : String(ttl);
      return (await pool.use((connection) => compareAndSet.run(connection, key, expected, value, time))) === 1;
    },
    drop: (key, lease) => send(lease === undefined ? ['UNLINK', key] : ['UNLINK', lease, key], { key, divisible: true }),
    del: unlink,
    sweep: (keys) => unlink(keys),
    heads: (keys, length) =>
      inBatches(keys, (connection, part) =>
        Promise.all(
          part.map(async (key) => {
            try {
              const head = (await connection.send(['GETRANGE', key, '0', String(length - 1)], { key, readonly: true })) as Buffer;
              return head.length === 0 ? null : head;
            } catch (error) {
              if (error instanceof CommandError && String((error.cause as Error)?.message).startsWith('WRONGTYPE')) return null;
              throw error;
            }
          }),
        ),
      ),
    async sweepHeads(entries) {
      const counts = await inBatches(entries, (connection, part) =>
        Promise.all(part.map(async ({ key, head }) => Number(await unlinkIfBegins.run(connection, key, head)))),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async delEach(keys, leases = []) {
      const counts = await withLeases(keys, leases, (connection, part, ending) =>
        afterLeases(connection, ending, () => each(connection, part, 'UNLINK', false)),
      );
      return counts.map(Boolean);
    },
    getAndDelete: (key, lease) =>
      pool.use(async (connection) => {
        const ending = lease === undefined ? undefined : unlinkOn(connection, [lease]);
        ending?.catch(() => {});
        const taken = stored(await connection.send(['GETDEL', key], { key }));
        // A value that was taken is never lost because its lease could not be deleted.
        if (taken === null) await ending;
        return taken;
      }),
    async has(key) {
      return (await send(['EXISTS', key], { key, readonly: true })) === 1;
    },
    hasMany: async (keys) => (await pipelined(keys, 'EXISTS')).map(Boolean),
    async pttl(key) {
      return Number(await send(['PTTL', key], { key, readonly: true }));
    },
    pttlMany: (keys) => pipelined(keys, 'PTTL'),
    async expire(key, ttl) {
      const head = await pool.use((connection) => expire.run(connection, key, ttl === undefined ? '' : String(ttl)));
      return stored(head) as Buffer | null;
    },
    async stamp(key, id, ttl) {
      const args = [id ?? '', ttl === undefined ? '' : String(ttl)];
      const reply = await pool.use((connection) => stamp.run(connection, key, ...args));
      return reply === null || reply === undefined ? undefined : String(reply);
    },
    async persist(key) {
      return (await send(['PERSIST', key], { key })) === 1;
    },
    async incrBy(key, delta, initial, ttl) {
      const args = [delta, initial ?? '', ttl ?? ''].map(String);
      const sum = await pool.use((connection) => increment.run(connection, key, ...args));
      return sum === null || sum === undefined ? undefined : Number(String(sum));
    },
    ...redisLeases(pool),
    async rename(from, to) {
      try {
        await send(['RENAME', from, to], { key: from });
        return true;
      } catch (error) {
        const reply = error instanceof CommandError ? String((error.cause as Error).message) : '';
        // Redis has no reply of its own for a missing key here, and an EXISTS beforehand would be a race.
        if (reply === 'ERR no such key') return false;
        if (reply.startsWith('CROSSSLOT')) return carry(send, from, to);
        throw error;
      }
    },
    scan: (glob, cursor) => scan(pool, glob, cursor),
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
