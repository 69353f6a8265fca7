import {
  AuthenticationError,
  type CacheError,
  CommandError,
  ConnectionError,
  OutOfMemoryError,
  PermissionError,
  ReadOnlyError,
  RedirectError,
  TooLargeError,
  TooManyClientsError,
  UnavailableError,
  WriteRefusedError,
} from '../errors.js';

type Refusal = new (message: string, details: { cause: unknown }) => CacheError;

/** By the word that Redis begins an error reply with. */
const byWord: Readonly<Record<string, Refusal>> = {
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

/** Those that Redis gives no word of their own. */
const byText: readonly (readonly [RegExp, Refusal])[] = [
  [/^ERR max number of clients reached/, TooManyClientsError],
  [/^ERR Protocol error: invalid bulk length|^ERR string exceeds maximum allowed size/, TooLargeError],
  [/^ERR (invalid password|AUTH |Client sent AUTH)/, AuthenticationError],
];

/** An error reply of Redis in our words. */
export function refusal(error: Error): CacheError {
  const { message } = error;
  const word = /^[A-Z]+/.exec(message)?.[0] ?? '';
  const Known =
    (Object.hasOwn(byWord, word) ? byWord[word] : undefined) ?? byText.find(([text]) => text.test(message))?.[1] ?? CommandError;
  return new Known(`Redis answered: ${message}`, { cause: error });
}

/** Why there is no connection, in our words: what Redis refused it with, where it did. */
export function notConnected(cause: unknown): ConnectionError {
  if (cause instanceof ConnectionError) return cause;
  if (isReplyError(cause)) {
    const refused = refusal(cause as Error);
    if (refused instanceof ConnectionError) return refused;
  }
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : ((cause as { code?: string })?.code ?? 'connection lost');
  return new ConnectionError(`not connected to Redis: ${reason}`, { cause });
}

/** By name, not by class: a client that came from outside may stand on another copy of node-redis. */
export function isReplyError(error: unknown): boolean {
  for (let type = Object.getPrototypeOf(Object(error)); type; type = Object.getPrototypeOf(type)) {
    if (type.constructor.name === 'ErrorReply') return true;
  }
  return false;
}
