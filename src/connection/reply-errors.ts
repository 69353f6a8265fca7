import {
  AuthenticationError,
  type CacheError,
  CommandError,
  ConnectionError,
  type ConnectionPhase,
  OutOfMemoryError,
  OverloadedError,
  PermissionError,
  ReadOnlyError,
  RedirectError,
  TooLargeError,
  TooManyClientsError,
  UnavailableError,
  WriteRefusedError,
} from '../errors.js';
import { sessionCommands } from './hints.js';
import { codeOf, described, type Place, phaseOf, redisAt, type Whereabouts } from './place.js';
import type { ExternalClient } from './target.js';

type ReplyErrorClass = new (message: string, details: { cause: unknown; where?: Whereabouts | undefined }) => CacheError;

/** Error classes by the first word of an error reply. */
const byWord: Readonly<Record<string, ReplyErrorClass>> = {
  ASK: RedirectError,
  BUSY: UnavailableError,
  CLUSTERDOWN: UnavailableError,
  CROSSSLOT: RedirectError,
  LOADING: UnavailableError,
  MASTERDOWN: UnavailableError,
  MISCONF: WriteRefusedError,
  MOVED: RedirectError,
  NOAUTH: AuthenticationError,
  NOPERM: PermissionError,
  NOREPLICAS: WriteRefusedError,
  OOM: OutOfMemoryError,
  READONLY: ReadOnlyError,
  TRYAGAIN: UnavailableError,
  WRONGPASS: AuthenticationError,
};

/** Error classes of replies that have no word of their own, and the codes of their hints. */
const byText: readonly (readonly [RegExp, ReplyErrorClass, string?])[] = [
  [/^ERR max number of clients reached/, TooManyClientsError, 'ERR_MAX_CLIENTS'],
  [/^ERR Protocol error: invalid bulk length|^ERR string exceeds maximum allowed size/, TooLargeError],
  [/^ERR (invalid password|AUTH |Client sent AUTH)/, AuthenticationError, 'ERR_AUTH'],
];

/** Converts an error reply of Redis into one of our errors, with the reply as its cause. `where`: of the connection that it came over. */
export function toReplyError(error: Error, where?: Whereabouts): CacheError {
  const { message } = error;
  const word = /^[A-Z]+/.exec(message)?.[0] ?? '';
  const [, byItsText, code = word] = word in byWord ? [] : (byText.find(([text]) => text.test(message)) ?? []);
  const Known = byWord[word] ?? byItsText ?? CommandError;
  // Other errors are of the command, whatever the connection.
  const isOfConnection = Known.prototype instanceof ConnectionError;
  const text = `${isOfConnection ? redisAt(where) : 'Redis'} answered: ${message}`;
  return new Known(described(text, code, where), isOfConnection ? { cause: error, where } : { cause: error });
}

/** Replies that refuse a command as such, with the name of the command if they quote it. */
const refusedReplies: readonly RegExp[] = [
  /^NOPERM .*permissions to run the '([^'|]+)/,
  // Proxies that name none.
  /^(?:ERR )?(?:unknown|unsupported) command()\W*$/i,
  /^ERR command (?:is )?not (?:support|allowed)()/i,
  // Redis; Envoy, with or without `ERR`; Upstash; Tair.
  /^(?:ERR )?(?:unknown|unsupported) command:? ?['"`]?([^'"`,| ]+)/i,
  /^ERR Command is not available: '(\S+?)['| ]/i,
  /^ERR command '?([^' ]+)'? (?:is )?not (?:support|allowed)/i,
];

/** Whether Redis, or a proxy in front of it, refuses this command itself, not a key or an argument: the ACL forbids it, or it is unknown. */
export function refusesCommand(error: unknown, command: string): boolean {
  const name = refusedName(error);
  return name === '' || name === command;
}

/** The command that the reply refuses; empty if it names none, `undefined` if it refuses none. */
function refusedName(error: unknown): string | undefined {
  if (!(error instanceof CommandError)) return undefined;
  const reply = String((error.cause as Error | undefined)?.message);
  for (const pattern of refusedReplies) {
    const name = pattern.exec(reply)?.[1];
    if (name !== undefined) return name.toUpperCase();
  }
  return reply.startsWith('NOPROTO') ? 'HELLO' : undefined;
}

const nowhere: Place = { address: undefined, isTls: false };

/**
 * Converts the reason why there is no connection, such as a socket error or a refused handshake, into a ConnectionError that says where it
 * was to go, how far it was, and what to do. `step`: how far it was at least.
 */
export function toConnectionError(cause: unknown, place = nowhere, step?: ConnectionPhase): ConnectionError {
  if (cause instanceof ConnectionError) return cause;
  const where: Whereabouts = { ...place, phase: phaseOf(cause, { ...place, phase: step }) };
  const error = isReplyError(cause) ? toReplyError(cause as Error, where) : cause;
  if (error instanceof ConnectionError) return error;
  const refused = refusedName(error);
  const advice = sessionCommands[refused as keyof typeof sessionCommands];
  if (advice) return new ConnectionError(`${redisAt(where)} refuses ${refused}: ${advice}`, { cause, where }, 'ERR_UNSUPPORTED');
  // A refused command of the handshake: its reply says why.
  const reply = error instanceof CommandError && error.cause instanceof Error ? error.cause : cause;
  const reason = reply instanceof Error && reply.message !== '' ? reply.message : codeOf(cause) || 'connection lost';
  return new ConnectionError(described(`not connected to ${redisAt(where)}: ${reason}`, codeOf(cause), where), { cause, where });
}

const isQueueFull = (error: unknown): boolean => (error as Error | undefined)?.message === 'The queue is full';

/** Whether node-redis did not send the command, such as a ping of its own: no reply was lost. */
export function isUnsent(error: unknown): boolean {
  return isQueueFull(error) || /Timeout|Abort/.test((error as Error | undefined)?.constructor?.name ?? '');
}

/** Converts the reason why a command was not sent. `client`: the client of node-redis that says so. */
export function toSendError(cause: unknown, { options }: Pick<ExternalClient, 'options'>, place?: Place): CacheError {
  const max = options?.commandsQueueMaxLength;
  if (max !== undefined && isQueueFull(cause)) {
    return new OverloadedError(max, 'commandsQueueMaxLength');
  }
  return toConnectionError(cause, place, 'use');
}

/** Whether node-redis made the error from an error reply. By class name: an external client may come from another copy of node-redis. */
export function isReplyError(error: unknown): boolean {
  for (let type = Object.getPrototypeOf(Object(error)); type; type = Object.getPrototypeOf(type)) {
    if (type.constructor.name === 'ErrorReply') return true;
  }
  return false;
}

const expectedReplies = {
  'unknown script': /^NOSCRIPT/,
  'wrong type': /^WRONGTYPE/,
  'missing key': /^ERR no such key/,
  'other slot': /^CROSSSLOT/,
  'try again': /^TRYAGAIN/,
  busy: /^BUSY/,
  'cluster down': /^CLUSTERDOWN/,
} as const;

/** Whether the error is Redis's answer of this kind. */
export function isReplyOf(error: unknown, kind: keyof typeof expectedReplies): boolean {
  return error instanceof CommandError && expectedReplies[kind].test(String((error.cause as Error | undefined)?.message));
}

/** The node that a MOVED or ASK reply sends a command to. */
export interface Redirection {
  readonly kind: 'MOVED' | 'ASK';
  readonly slot: number;
  /** `host:port`; an empty host means the host of the node that replied. */
  readonly address: string;
}

/** Parses the reply `MOVED 3999 127.0.0.1:6381`. @returns undefined for any other error */
export function redirectionOf(error: unknown): Redirection | undefined {
  if (!(error instanceof RedirectError)) return undefined;
  const match = /^(MOVED|ASK) (\d+) (\S+)/.exec(String((error.cause as Error | undefined)?.message));
  return match ? { kind: match[1] as 'MOVED' | 'ASK', slot: Number(match[2]), address: match[3] as string } : undefined;
}
