import { createHash } from 'node:crypto';
import type { Argument, Connection, Reply } from '../connection/connection.js';
import { isReplyOf, refusesCommand } from '../connection/reply-errors.js';
import { UnsupportedError } from '../errors.js';
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

export function script(source: string): Script {
  return new Script(source);
}

/** For what only a script can do in one step. */
export function needsScripts(): Promise<never> {
  return Promise.reject(new UnsupportedError('Redis refuses EVAL, and this is done by a script: allow EVAL and EVALSHA, or do without it'));
}

/** PTTL, or what TTL says if the user may not call it: up to a second short, never long. */
export const timeLeft = `
local function timeLeft(key)
  local left = redis.pcall('PTTL', key)
  if type(left) == 'number' then return left end
  left = redis.call('TTL', key)
  if left < 0 then return left end
  return math.max(0, left * 1000 - 500)
end`;

/** DEL, or what the user may call in its place: PEXPIRE deletes if no time is left. A lease that stays is waited for. */
export const unlink = `
local function unlink(key)
  local count = redis.pcall('DEL', key)
  if type(count) ~= 'number' then count = redis.pcall('UNLINK', key) end
  if type(count) ~= 'number' then count = redis.call('PEXPIRE', key, 0) end
  return count
end`;
