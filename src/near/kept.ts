import { isUtf8 } from 'node:buffer';
import type { Stored } from '../codec/codec.js';
import { isFramed } from '../codec/frame.js';
import type { Milliseconds } from '../ttl.js';

/** One entry of the near tier. */
export interface Kept {
  /** What Redis holds: bytes of our own; `null`: nothing; `undefined`: something, of which only the existence is known. */
  stored: Stored | null | undefined;
  /** Until when it may be served. This and `used` are on the monotonic clock. */
  readonly deadline: Milliseconds;
  used: Milliseconds;
  /** The decoded value, where it is frozen and shared. */
  value: unknown;
  shared: boolean;
  /** False when the tier has dropped it; then nothing is in it any more. */
  alive: boolean;
}

export function newKept(stored: Kept['stored'], deadline: Milliseconds): Kept {
  return { stored: stored && keepable(stored), deadline, used: Number.NEGATIVE_INFINITY, value: undefined, shared: false, alive: true };
}

/** Whoever still has it in hand shall not keep what is in it. */
export function bury(kept: Kept): void {
  kept.alive = false;
  kept.shared = false;
  kept.stored = undefined;
  kept.value = undefined;
}

/**
 * What Redis answered, in a form that can be kept: replies are views into the socket's memory. Text becomes a string, which
 * nobody can change and which need not be read from bytes again.
 */
export function keepable(stored: Stored): Stored {
  if (typeof stored === 'string') return stored;
  if (!isFramed(stored) && isUtf8(stored)) return stored.toString();
  // Memory of its own: a slice of Node's pool would keep the whole slab alive.
  const copy = Buffer.allocUnsafeSlow(stored.length);
  stored.copy(copy);
  return copy;
}

/** What was kept, for a caller who may do with it what he likes. */
export function given(stored: Stored): Stored {
  return typeof stored === 'string' ? stored : Buffer.from(stored);
}

/** Bytes that an entry counts for: the text of key and value, and what the bookkeeping takes. */
export function weight(key: string, stored: Kept['stored']): number {
  return 128 + key.length + (stored?.length ?? 0);
}
