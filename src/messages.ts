/**
 * Characters that change how a terminal or a log shows what stands around them: control and escape characters, the separators of lines,
 * the marks that turn the direction of text, and the byte order mark. A server or a chosen name could forge lines of a log.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be shown
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text with such characters as escapes, `\x1b` or `\u202e`. Every message of an error and every warning passes through here. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.charCodeAt(0);
    return code === 10 ? '\\n' : code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** Warns the process. `code`: what `--disable-warning` takes. */
export function warn(message: string, code: string): void {
  process.emitWarning(printable(message), { code });
}

/**
 * A wrong value as an error message shows it: numbers and the like as they are, of anything else the kind. Text may be a password in the
 * wrong place, whatever its form. `words`: the right values are words such as `'miss'`, so a misspelt one may be shown.
 */
export function shown(value: unknown, words = false): string {
  switch (typeof value) {
    case 'string':
      if (words && /^[a-z-]{1,20}$/i.test(value)) return JSON.stringify(value);
      return value.length === 1 ? 'a string of 1 character' : `a string of ${value.length} characters`;
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object';
    case 'function':
    case 'symbol':
    case 'bigint':
      return `a ${typeof value}`;
    default:
      return String(value);
  }
}

/** A name that came from outside, in backticks, if it looks like one; else its length. `where`: a path of ours in front of it. */
export function named(name: string, where = ''): string {
  return /^[\w$.-]{1,40}$/.test(name) ? `\`${where}${name}\`` : `\`${where}(a name of ${name.length} characters)\``;
}

/** An address as a message names it. Only what can be nothing but a host and a port, or a path, is shown: a password may stand anywhere. */
export function shownAddress(socket: { readonly host?: unknown; readonly port?: unknown; readonly path?: unknown }): string | undefined {
  const { host = 'localhost', port = 6379, path } = socket;
  if (path !== undefined) return typeof path === 'string' && /^\/[\w./-]{1,107}$/.test(path) && !path.startsWith('//') ? path : undefined;
  if (!/^\d{1,5}$/.test(`${port}`)) return undefined;
  if (/^[a-z0-9._-]{1,74}$/i.test(`${host}`)) return `${host}:${port}`;
  return /^[0-9a-f:.]{2,45}$/i.test(`${host}`) ? `[${host}]:${port}` : undefined;
}

/** ``expected `pool.max` to be an integer ≥ 1, got `0` `` */
export function expected(name: string, what: string, got: unknown): string {
  return `expected \`${name}\` to be ${what}, got \`${shown(got, what.startsWith("'"))}\``;
}

/** Redis quotes an unknown command with its values and passwords: `unknown command 'HELLO', with args beginning with: …`. */
const quoted = /,? with args beginning with:.*$/s;

/** No message of Redis is longer. What says more was not said by Redis, or holds what was sent. */
const maxLength = 500;

/** A message as an error shows it: printable, of a limited length, and without the arguments that Redis quotes. */
export function shownMessage(message: string): string {
  const text = printable(message.replace(quoted, ''));
  // With what is added it is no longer than allowed: a message that comes here again, as that of a cause, stays as it is.
  return text.length > maxLength ? `${text.slice(0, maxLength - 30)}… (${text.length} characters)` : text;
}

/** The cause of an error with {@link shownMessage} applied, where it came from outside: what the server said, or the host it named. */
export function shownCause(details: { readonly cause?: unknown } | undefined): { readonly cause?: unknown } | undefined {
  const cause = details?.cause;
  if (!(cause instanceof Error)) return details;
  const message = shownMessage(cause.message);
  return message === cause.message ? details : { cause: withMessage(cause, message) };
}

/** A copy of the error with another message, for a message that holds secrets. Name, code and stack stay. */
export function withMessage(error: Error, message: string): Error {
  const copy = new Error(message);
  const head = message === '' ? error.name : `${error.name}: ${message}`;
  const oldHead = `${error.name}: ${error.message}`;
  copy.name = error.name;
  // A stack that does not begin with the message cannot be cut safely.
  copy.stack = error.stack?.startsWith(oldHead) ? head + error.stack.slice(oldHead.length) : head;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? Object.assign(copy, { code }) : copy;
}

/** The same error as an object of its own, for it to name an operation: several calls may share one. */
export function copyOf<E extends object>(error: E): E {
  return Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error));
}
