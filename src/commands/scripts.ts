import { maxGenerationLength } from '../codec/generation.js';
import { noGeneration, prefixLength } from './commands.js';
import { script, timeLeft, unlink } from './script.js';

export const getAndDelete = script(`${unlink}
local value = redis.call('GET', KEYS[1])
if value then unlink(KEYS[1]) end
return value`);

// Replies nil for a missing key, and undoes a sum beyond exact integers. The sum is text: node-redis reads 9007199254740991 as one more.
export const incrementBy = script(`${unlink}
local initial = ARGV[2]
local created = redis.call('EXISTS', KEYS[1]) == 0
if created then
  if initial == '' then return nil end
  if ARGV[3] == '' then redis.call('SET', KEYS[1], initial) else redis.call('SET', KEYS[1], initial, 'PX', ARGV[3]) end
end
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if sum > 9007199254740991 or sum < -9007199254740991 then
  if created then unlink(KEYS[1]) else redis.call('DECRBY', KEYS[1], ARGV[1]) end
  return redis.error_reply('ERR increment or decrement would leave the range of exact integers')
end
return string.format('%.0f', sum)`);

export const compareAndSet = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == 'keep' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
elseif ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`);

/** The stale window of an entry that begins with these bytes, or nil. The marker and the two numbers take 48 bytes at most. */
const windowOf = (bytes: string): string => `string.match(${bytes}, '^\\193stale%.(%d+)%.%d+%z')`;

/** The first bytes of a string; none of a key that is missing or of another type. */
const headOf = `
local function headOf(key)
  local head = redis.pcall('GETRANGE', key, 0, ${prefixLength - 1})
  if type(head) == 'table' then return '' end
  return head
end`;

// A time that has to be kept is that of a fresh entry: a stale one counts as missing.
export const setKeepingTtl = script(`${timeLeft}${headOf}
local left = timeLeft(KEYS[1])
if left >= 0 then
  left = left - tonumber(${windowOf('headOf(KEYS[1])')} or '0')
  if left <= 0 then left = -2 end
end
if left == -2 then left = tonumber(ARGV[2]) or -1 end
local maxTtl = tonumber(ARGV[3])
if maxTtl and (left == -1 or left > maxTtl) then left = maxTtl end
if left == -1 then return redis.call('SET', KEYS[1], ARGV[1]) end
return redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', left))`);

export const getAndExpire = script(`${timeLeft}
local value = redis.call('GET', KEYS[1])
if not value then return nil end
local staleFor = tonumber(${windowOf('value')} or '0')
if staleFor > 0 then
  local left = timeLeft(KEYS[1])
  if left >= 0 and left <= staleFor then return nil end
end
if string.find(value, '^\\193tags%z') or string.find(value, '^\\193stale%.%d+%.%d+%z\\193tags%z') then return value end
if ARGV[1] == '' then redis.call('PERSIST', KEYS[1])
else redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[1]) + staleFor)) end
return value`);

// What was read is extended, or stale from now on. A newer entry is neither.
export const expireUnchanged = script(`${timeLeft}
local value = redis.call('GET', KEYS[1])
if not value or redis.sha1hex(value) ~= ARGV[1] then return 0 end
local staleFor = tonumber(${windowOf('value')} or '0')
local left = timeLeft(KEYS[1])
if ARGV[2] == 'stale' then
  if left < 0 or left > staleFor then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', staleFor)) end
elseif left > staleFor then
  if ARGV[2] == '' then redis.call('PERSIST', KEYS[1])
  else redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[2]) + staleFor)) end
end
return 1`);

export const expireNow = script(`${timeLeft}${headOf}${unlink}
if KEYS[2] then unlink(KEYS[2]) end
local staleFor = ${windowOf('headOf(KEYS[1])')}
if not staleFor then return unlink(KEYS[1]) end
local left = timeLeft(KEYS[1])
if left < 0 or left > tonumber(staleFor) then redis.call('PEXPIRE', KEYS[1], staleFor) end
return 1`);

export const expireWithWindow = script(`${headOf}
local head = headOf(KEYS[1])
local staleFor = ${windowOf('head')}
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

const isOurs = `
local function isGeneration(content)
  return #content <= ${maxGenerationLength} and string.find(content, '^[%w_-]+%.?[%w_-]*$')
end`;

// PEXPIRE and PERSIST need no memory: a full server still extends what is there. An id goes into every entry of the tag: it must be one of ours.
export const ensureGeneration = script(`${timeLeft}${isOurs}
local id = redis.call('GET', KEYS[1])
if id and not isGeneration(id) then return redis.error_reply('ERR ${noGeneration}') end
if not id then
  if ARGV[1] == '' then return nil end
  if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
  return ARGV[1]
end
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1])
else
  local left = timeLeft(KEYS[1])
  if left >= 0 and left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return id`);

// What it holds is followed by the id that it succeeds: see codec/generation.ts.
export const expireGeneration = script(`${isOurs}
local id = redis.call('GET', KEYS[1])
if not id then return 0 end
if not isGeneration(id) then return redis.error_reply('ERR ${noGeneration}') end
redis.call('SET', KEYS[1], ARGV[1] .. '.' .. string.match(id, '^[^.]*'), 'KEEPTTL')
return 1`);

export const unlinkIfUnchanged = script(`${unlink}
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1 + (ARGV[2] == '1' and 1 or 0)) ~= ARGV[1] then return 0 end
return unlink(KEYS[1])`);
