import { isUtf8 } from 'node:buffer';
import type { Stored } from '../codec/codec.js';
import { isFramed } from '../codec/frame.js';
import { bodyOf } from '../codec/tag-header.js';
import type { Milliseconds } from '../ttl.js';

/** One entry of the near tier. */
export interface Kept {
  /** What Redis holds: bytes of our own; `null`: nothing; `undefined`: something, of which only the existence is known. */
  stored: Stored | null | undefined;
  /** How many bytes `stored` takes in Redis: counted once, for it is told of with every hit. */
  readonly bytes: number;
  /** Until when it may be served. This and `used` are on the monotonic clock. */
  readonly deadline: Milliseconds;
  used: Milliseconds;
  /** The decoded value, where it is frozen and shared. */
  value: unknown;
  shared: boolean;
  /** The bytes in `stored` that `value` was decoded from, behind tags and age: whoever has looked at those shares it as well. */
  body: Stored | undefined;
  /** False when the tier has dropped it; then nothing is in it any more. */
  alive: boolean;
}

export function newKept(stored: Kept['stored'], deadline: Milliseconds): Kept {
  const bytes = stored ? Buffer.byteLength(stored) : 0;
  return {
    stored: stored && keepable(stored),
    bytes,
    deadline,
    used: Number.NEGATIVE_INFINITY,
    value: undefined,
    shared: false,
    body: undefined,
    alive: true,
  };
}

/** Whoever still has it in hand shall not keep what is in it. */
export function bury(kept: Kept): void {
  kept.alive = false;
  kept.shared = false;
  kept.stored = undefined;
  kept.value = undefined;
  kept.body = undefined;
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

/** Whether the value of these bytes, which stood behind tags or an age, is the one that is kept. */
export function keepsBody(kept: Kept | undefined, body: Stored): kept is Kept & { readonly stored: Buffer } {
  if (kept === undefined || !Buffer.isBuffer(kept.stored) || !Buffer.isBuffer(body)) return false;
  kept.body ??= bodyOf(kept.stored);
  return body.equals(kept.body as Buffer);
}

/** What was kept, for a caller who may do with it what he likes. */
export function given(stored: Stored): Stored {
  return typeof stored === 'string' ? stored : Buffer.from(stored);
}

/** Bytes that an entry counts for: the text of key and value, and what the bookkeeping takes. */
export function weight(key: string, stored: Kept['stored']): number {
  return 128 + key.length + (stored?.length ?? 0);
}
