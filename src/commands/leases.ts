import type { Pool } from '../connection/pool.js';
import type { Milliseconds } from '../ttl.js';
import type { Commands } from './commands.js';
import { Script } from './script.js';

/** What a load leaves in place of its lease when it ends without a value that others could read. */
export interface Mark {
  readonly text: string;
  /** How long it stays. */
  readonly time: Milliseconds;
}

/** What every mark begins with, and no token does. The next character says how the load ended; without one, its renewal failed and rests. */
export const markStart = '!';

/** How long the counter of fencing tokens outlives its last use; after that they go on from the server's clock. */
const fenceKept = 86_400_000;

/** Whether KEYS[lease] is held under the token ARGV[1]. What follows the token in Redis is how the load before it ended. */
const isHeld = (lease: string): string => `string.sub(redis.call('GET', ${lease}) or '', 1, #ARGV[1]) == ARGV[1]`;

// A mark is taken over, and its kind goes on behind the token: callers that waited for the load that left it may not have looked yet.
const claim = new Script(`
local holder = redis.call('GET', KEYS[1])
local kind = ''
if holder then
  if redis.call('PTTL', KEYS[1]) == -1 then return '' end
  if string.sub(holder, 1, 1) ~= '${markStart}' or (holder == '${markStart}' and ARGV[3] ~= '1') then return holder end
  kind = string.sub(holder, 1, 2)
end
redis.call('SET', KEYS[1], ARGV[1] .. kind, 'PX', ARGV[2])
return nil`);

// SET comes before DEL: a server at its maxmemory refuses it, and the script ends with nothing done.
const fill = new Script(`
if not (${isHeld('KEYS[2]')}) then return 0 end
local now = redis.call('GET', KEYS[1])
local as = now and redis.sha1hex(now) or ''
if as ~= ARGV[2] and not (as == '' and ARGV[3] == '1') then
  redis.call('DEL', KEYS[2])
  return 0
end
if ARGV[5] == '' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end
redis.call('DEL', KEYS[2])
return 1`);

// Here DEL comes before SET: a server at its maxmemory takes whatever follows a deletion.
const retire = new Script(`
if not (${isHeld('KEYS[2]')}) then return 0 end
local now = redis.call('GET', KEYS[1])
local gone = 0
if now and redis.sha1hex(now) == ARGV[2] then gone = redis.call('UNLINK', KEYS[1]) end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return gone`);

const renew = new Script(`
if not (${isHeld('KEYS[1]')}) then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

const release = new Script(`
if not (${isHeld('KEYS[1]')}) then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`);

// Microseconds since 1970 stay exact until 2255. The counter keeps tokens rising where the clock was set back.
const acquire = new Script(`
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return nil end
local time = redis.call('TIME')
local fence = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
if last >= fence then fence = last + 1 end
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text, 'PX', '${fenceKept}')
return text`);

/** The verbs of leases and locks, spoken to a real Redis. */
export function redisLeases(pool: Pool): Pick<Commands, 'claim' | 'fill' | 'retire' | 'renew' | 'release' | 'acquire'> {
  return {
    async claim(lease, token, time, urgent) {
      const holder = await pool.use((connection) => claim.run(connection, lease, token, String(time), urgent ? '1' : '0'));
      return holder === null || holder === undefined ? undefined : String(holder);
    },
    async fill({ key, value, ttl }, { lease, token, seen, mayBeGone }) {
      const args = [token, seen, mayBeGone ? '1' : '0', value, ttl === undefined ? '' : String(ttl)];
      return (await pool.use((connection) => fill.run(connection, [key, lease], ...args))) === 1;
    },
    async retire(key, { lease, token, seen }, { text, time }) {
      return (await pool.use((connection) => retire.run(connection, [key, lease], token, seen, text, String(time)))) === 1;
    },
    async renew(key, token, time) {
      return (await pool.use((connection) => renew.run(connection, key, token, String(time)))) === 1;
    },
    async release(key, token, mark) {
      const args = mark === undefined ? ['', ''] : [mark.text, String(mark.time)];
      return (await pool.use((connection) => release.run(connection, key, token, ...args))) === 1;
    },
    async acquire(lock, fence, token, time) {
      const reply = await pool.use((connection) => acquire.run(connection, [lock, fence], token, String(time)));
      return reply === null || reply === undefined ? undefined : Number(reply);
    },
  };
}
