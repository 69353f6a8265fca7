import type { ErrorCode } from './error-codes.js';
import { printable } from './messages.js';

/** An option is invalid. Thrown at construction; the message says what was expected and what came. */
export class OptionError extends TypeError {
  readonly code: ErrorCode = 'ERR_OPTION';
  override readonly name = 'OptionError';

  constructor(message: string, details?: { readonly cause?: unknown }) {
    super(printable(message), details);
  }
}

/** An argument of a call is invalid. On a store the call rejects under every `onFailure`; under Keyv nothing is stored. Both emit `error`. */
export class ArgumentError extends TypeError {
  readonly code: ErrorCode = 'ERR_ARGUMENT';
  override readonly name = 'ArgumentError';
  /** The method that was called, such as `set`. */
  operation?: string;
  /** The caller's key, if the operation has exactly one. */
  key?: string;

  constructor(message: string) {
    super(printable(message));
  }
}
