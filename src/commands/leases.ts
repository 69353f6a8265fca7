import type { Pool } from '../connection/pool.js';
import type { Commands } from './commands.js';
import { Script } from './script.js';

/** What stands in a lease whose holder failed: nobody tries again until it lapses, but for those who have nothing to serve. */
export const failed = '!';

/** How long the counter of fencing tokens outlives its last use; after that they go on from the server's clock. */
const fenceKept = 86_400_000;

// SET comes before DEL: a server at its maxmemory refuses it, and the script ends with nothing done.
const fill = new Script(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local now = redis.call('GET', KEYS[1])
local as = now and redis.sha1hex(now) or ''
if as ~= ARGV[2] and not (as == '' and ARGV[3] == '1') then
  redis.call('DEL', KEYS[2])
  return 0
end
if ARGV[5] == '' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end
redis.call('DEL', KEYS[2])
return 1`);

const renew = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

const release = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], '${failed}', 'PX', ARGV[2]) end
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
export function redisLeases(pool: Pool): Pick<Commands, 'fill' | 'renew' | 'release' | 'acquire'> {
  return {
    async fill({ key, value, ttl }, { lease, token, seen, mayBeGone }) {
      const args = [token, seen, mayBeGone ? '1' : '0', value, ttl === undefined ? '' : String(ttl)];
      return (await pool.use((connection) => fill.run(connection, [key, lease], ...args))) === 1;
    },
    async renew(key, token, time) {
      return (await pool.use((connection) => renew.run(connection, key, token, String(time)))) === 1;
    },
    async release(key, token, rest) {
      return (await pool.use((connection) => release.run(connection, key, token, rest === undefined ? '' : String(rest)))) === 1;
    },
    async acquire(lock, fence, token, time) {
      const reply = await pool.use((connection) => acquire.run(connection, [lock, fence], token, String(time)));
      return reply === null || reply === undefined ? undefined : Number(reply);
    },
  };
}
