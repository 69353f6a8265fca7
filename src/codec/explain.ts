import { reworded } from '../discretion.js';
import { CacheError, CodecError } from '../errors.js';

/** Why a value has no bytes, in our words. */
export function encodeError(error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  // Structured clone quotes what it could not clone, down to the code of a function.
  if (error instanceof Error && error.message.endsWith(' could not be cloned.')) {
    return new CodecError('the value cannot be encoded: a part of it cannot be cloned', { cause: reworded(error, '') });
  }
  return new CodecError(`the value cannot be encoded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

/** Why bytes have no value. A parser's message quotes the text, JSON.parse's for one: only the kind of error and its stack are passed on. */
export function decodeError(error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  const { name, code } = (error instanceof Error ? error : {}) as { name?: string; code?: unknown };
  const kind = typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? code : (name ?? 'not an Error');
  return new CodecError(`the stored value cannot be decoded: ${kind}`, error instanceof Error ? { cause: reworded(error, '') } : {});
}
