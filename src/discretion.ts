/** Redis quotes the command it does not know, with values and passwords: `unknown command 'HELLO', with args beginning with: …`. */
const quoted = /,? with args beginning with:.*$/s;

/** What Redis said, without what it was sent. */
export function withoutArguments(message: string): string {
  return message.replace(quoted, '');
}

/** The same for a cause. */
export function discreet(details: { readonly cause?: unknown } | undefined): { readonly cause?: unknown } | undefined {
  const cause = details?.cause;
  return cause instanceof Error && quoted.test(cause.message) ? { cause: reworded(cause, withoutArguments(cause.message)) } : details;
}

/** The error in other words, where its own hold what must not be told: name, code and stack are kept. */
export function reworded(error: Error, message: string): Error {
  const copy = new Error(message);
  const head = message === '' ? error.name : `${error.name}: ${message}`;
  const told = `${error.name}: ${error.message}`;
  copy.name = error.name;
  // Without the message in front nobody knows which lines are the stack's.
  copy.stack = error.stack?.startsWith(told) ? head + error.stack.slice(told.length) : head;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? Object.assign(copy, { code }) : copy;
}
