import { createHash } from 'node:crypto';
import type { Argument, Connection, Reply } from '../connection/connection.js';
import { isReplyOf, refusesCommand } from '../connection/reply-errors.js';
import { markStart, maxIdLength, prefixLength } from './commands.js';
import type { RefusedCommands } from './refused.js';

/** The key of a script, or several in one slot. */
export type ScriptKeys = string | readonly [string, ...string[]];

/** Text and bytes are hidden. Times, flags and `undefined`, for none, are sent as plain text. */
export type ScriptArgument = Argument | number | boolean | undefined;

/**
 * The same bytes, which read as `?`. node-redis and instrumentations of it publish the arguments of EVALSHA as text, and those of our scripts
 * are values and tokens. What is sent is made of the bytes.
 */
function hidden(argument: Argument): Buffer {
  // A view of its own: the codec's Buffer keeps its methods.
  const bytes = typeof argument === 'string' ? Buffer.from(argument) : Buffer.from(argument.buffer, argument.byteOffset, argument.length);
  bytes.toString = question;
  bytes.toJSON = question as () => never;
  return bytes;
}

function question(): string {
  return '?';
}

/** Each hidden argument is a chunk of its own to the socket, so that those which say nothing stay text. */
function shown(argument: ScriptArgument): Argument {
  if (argument === undefined || argument === '') return '';
  if (typeof argument === 'number') return String(argument);
  if (typeof argument === 'boolean') return argument ? '1' : '0';
  return hidden(argument);
}

/** A Lua script, which is sent by its digest. A server that does not know it gets the source. */
export class Script {
  readonly #source: string;
  /** Made when it is first sent: a process that imports the package may never run it. */
  #digest: string | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  /** EVALSHA with these arguments. The keys may be seen, the arguments may not. */
  command(on: ScriptKeys, args: readonly ScriptArgument[]): Argument[] {
    this.#digest ??= createHash('sha1').update(this.#source).digest('hex');
    const keys = typeof on === 'string' ? [on] : on;
    return ['EVALSHA', this.#digest, String(keys.length), ...keys, ...args.map(shown)];
  }

  /** Sends the command, or the source. */
  send(connection: Connection, refused: RefusedCommands, command: readonly Argument[]): Promise<Reply> {
    if (refused.has('EVALSHA')) return this.#evaluate(connection, command);
    return connection
      .send(command, { key: keyOf(command) })
      .catch((error: unknown) => this.sendSource(connection, refused, command, error));
  }

  /** After an error: sends the source if the digest is the reason. */
  async sendSource(connection: Connection, refused: RefusedCommands, command: readonly Argument[], error: unknown): Promise<Reply> {
    const isRefused = refusesCommand(error, 'EVALSHA');
    if (!isRefused && !isReplyOf(error, 'unknown script')) throw error;
    const reply = await this.#evaluate(connection, command);
    if (isRefused) refused.learn('EVALSHA', error);
    return reply;
  }

  #evaluate(connection: Connection, command: readonly Argument[]): Promise<Reply> {
    return connection.send(['EVAL', this.#source, ...command.slice(2)], { key: keyOf(command) });
  }
}

/** The first key of a command that {@link Script} has made. */
function keyOf(command: readonly Argument[]): string {
  return command[3] as string;
}

function script(source: string): Script {
  return new Script(source);
}

/** PTTL, or what TTL says if the user may not call it: up to a second short, never long. */
const timeLeft = `
local function timeLeft(key)
  local left = redis.pcall('PTTL', key)
  if type(left) == 'number' then return left end
  left = redis.call('TTL', key)
  if left < 0 then return left end
  return math.max(0, left * 1000 - 500)
end`;

/** DEL, or what the user may call in its place: PEXPIRE deletes if no time is left. A lease that stays is waited for. */
const unlink = `
local function unlink(key)
  local count = redis.pcall('DEL', key)
  if type(count) ~= 'number' then count = redis.pcall('UNLINK', key) end
  if type(count) ~= 'number' then count = redis.call('PEXPIRE', key, 0) end
  return count
end`;

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

// The marker and the two numbers of a stale window take 48 bytes at most. Other types have none.
export const expireWithWindow = script(`
local head = redis.pcall('GETRANGE', KEYS[1], 0, ${prefixLength - 1})
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

// PEXPIRE and PERSIST need no memory: a full server still extends what is there. An id goes into every entry of the tag: it must be one of ours.
export const ensureGeneration = script(`${timeLeft}
local id = redis.call('GET', KEYS[1])
if id and not (#id <= ${maxIdLength} and string.find(id, '^[%w_-]+$')) then
  return redis.error_reply('ERR the key of a tag holds something else than a generation')
end
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

export const unlinkIfUnchanged = script(`${unlink}
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
return unlink(KEYS[1])`);

/** How long the counter of fencing tokens outlives its last use. Later tokens continue from the clock of the server. */
const fenceLifetime = 86_400_000;

/** Whether a key is held under the token ARGV[1]. What follows the token in Redis is how the load before it ended. */
const isHeld = `
local function isHeld(key)
  local start = redis.pcall('GETRANGE', key, 0, #ARGV[1] - 1)
  if type(start) ~= 'string' then start = string.sub(redis.call('GET', key) or '', 1, #ARGV[1]) end
  return start == ARGV[1]
end`;

// A mark is taken over, and its kind goes on behind the token: callers that waited for the load that left it may not have looked yet.
// KEYS[2] is the entry: a number says that the lease is claimed, and how many entries there are to look at. It is asked before anything is
// written, so that no lease is left behind. Without the right to ask, a store looks.
export const claimLease = script(`${timeLeft}
local holder = redis.call('GET', KEYS[1])
local kind = ''
if holder then
  if timeLeft(KEYS[1]) == -1 or #holder > ${maxIdLength} then return '' end
  if string.sub(holder, 1, 1) ~= '${markStart}' or (holder == '${markStart}' and ARGV[3] ~= '1') then return holder end
  kind = string.sub(holder, 1, 2)
end
local entries = redis.pcall('EXISTS', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. kind, 'PX', ARGV[2])
return type(entries) == 'number' and entries or 1`);

// SET comes before DEL: a server at its maxmemory refuses it, and the script ends with nothing done.
export const setUnderLease = script(`${isHeld}${unlink}
if not isHeld(KEYS[2]) then return 0 end
local now = redis.call('GET', KEYS[1])
local as = now and redis.sha1hex(now) or ''
if as ~= ARGV[2] and not (as == '' and ARGV[3] == '1') then
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
