/** A wrong value as an error message shows it: its type, and the value if it is short and cannot be secret. */
export function shown(value: unknown): string {
  // A URL may hold a password.
  if (typeof value === 'string')
    return value.length > 40 || /:\/\/|@/.test(value) ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/** ``expected `pool.max` to be an integer ≥ 1, got `0` `` */
export function expected(name: string, what: string, got: unknown): string {
  return `expected \`${name}\` to be ${what}, got \`${shown(got)}\``;
}

/** Redis quotes an unknown command with its values and passwords: `unknown command 'HELLO', with args beginning with: …`. */
const quoted = /,? with args beginning with:.*$/s;

/** A message of Redis without the arguments that Redis quotes. */
export function withoutArguments(message: string): string {
  return message.replace(quoted, '');
}

/** The details of an error, with {@link withoutArguments} applied to the message of the cause. */
export function redact(details: { readonly cause?: unknown } | undefined): { readonly cause?: unknown } | undefined {
  const cause = details?.cause;
  return cause instanceof Error && quoted.test(cause.message) ? { cause: withMessage(cause, withoutArguments(cause.message)) } : details;
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
