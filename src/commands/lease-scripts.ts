import { freshStart, markStart, maxIdLength } from './commands.js';
import { script, timeLeft, unlink } from './script.js';

/** How long the counter of fencing tokens outlives its last use. Later tokens continue from the clock of the server. */
const fenceLifetime = 86_400_000;

/** Whether a key is held under the token ARGV[1]. What follows the token in Redis is how the load before it ended. */
const isHeld = `
local function isHeld(key)
  local start = redis.pcall('GETRANGE', key, 0, #ARGV[1] - 1)
  if type(start) ~= 'string' then start = string.sub(redis.call('GET', key) or '', 1, #ARGV[1]) end
  return start == ARGV[1]
end`;

// A fresh load takes over the lease of an ordinary one. A mark is taken over too, and its kind goes on behind the token: callers that waited
// for the load that left it may not have looked yet.
// KEYS[2] is the entry: a number says that the lease is claimed, and how many entries there are to look at. It is asked before anything is
// written, so that no lease is left behind. Without the right to ask, a store looks.
export const claimLease = script(`${timeLeft}
local holder = redis.call('GET', KEYS[1])
local kind = ''
if holder then
  if timeLeft(KEYS[1]) == -1 or #holder > ${maxIdLength} then return '' end
  local first = string.sub(holder, 1, 1)
  if first == '${markStart}' then
    if holder == '${markStart}' and ARGV[3] ~= '1' then return holder end
    kind = string.sub(holder, 1, 2)
  elseif ARGV[4] ~= '1' or first == '${freshStart}' then return holder end
end
local entries = redis.pcall('EXISTS', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. kind, 'PX', ARGV[2])
return type(entries) == 'number' and entries or 1`);

// SET comes before DEL: a server at its maxmemory refuses it, and the script ends with nothing done.
export const setUnderLease = script(`${isHeld}${unlink}
if not isHeld(KEYS[2]) then return 0 end
local now = redis.call('GET', KEYS[1])
local digest = now and redis.sha1hex(now) or ''
if digest ~= ARGV[2] and not (digest == '' and ARGV[3] == '1') then
  unlink(KEYS[2])
  return 0
end
if ARGV[5] == '' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end
unlink(KEYS[2])
return 1`);

// Here DEL comes before SET: a server at its maxmemory takes whatever follows a deletion.
export const unlinkUnderLease = script(`${isHeld}${unlink}
if not isHeld(KEYS[2]) then return 0 end
local now = redis.call('GET', KEYS[1])
local gone = 0
if now and redis.sha1hex(now) == ARGV[2] then gone = unlink(KEYS[1]) end
unlink(KEYS[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return gone`);

export const renewToken = script(`${isHeld}
if not isHeld(KEYS[1]) then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

export const releaseToken = script(`${isHeld}${unlink}
if not isHeld(KEYS[1]) then return 0 end
unlink(KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`);

// Microseconds since 1970 are exact until 2255. The counter keeps tokens rising if the clock of the server is set back, however far. After
// something else than a token it cannot: '' says so. Everything is read before anything is written, so that no lock is left behind.
export const acquireLock = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then return nil end
local last = redis.pcall('GETRANGE', KEYS[2], 0, 16)
if type(last) == 'table' then return '' end
if last == '' and redis.call('EXISTS', KEYS[2]) == 0 then last = '0' end
if #last > 16 or not string.find(last, '^%d+$') or tonumber(last) >= 9007199254740991 then return '' end
local time = redis.call('TIME')
local fence = math.max(tonumber(time[1]) * 1000000 + tonumber(time[2]), tonumber(last) + 1)
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text, 'PX', '${fenceLifetime}')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return text`);
