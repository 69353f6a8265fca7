import { contentOf, mayBeStale } from '../codec/aging.js';
import type { Codec, Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import type { FailurePolicy } from '../failure.js';
import type { KeySpace } from '../keys/keyspace.js';
import { holdsValue } from '../near/commands.js';
import { given, type Kept, keepsBody } from '../near/kept.js';
import type { NearReader } from '../near/reader.js';
import type { NearTier } from '../near/tier.js';
import type { Tags } from './tags.js';

/** What makes values of stored bytes. */
export interface ValueParts {
  readonly keys: KeySpace;
  readonly codec: Codec;
  readonly near: NearTier | undefined;
  readonly reader: NearReader | undefined;
  readonly tags: Tags;
  readonly policy: FailurePolicy;
}

/** From stored bytes to what a caller gets: decoded for each, or, where the near tier shares values, once for all. */
export class Values {
  readonly #parts: ValueParts;

  constructor(parts: ValueParts) {
    this.#parts = parts;
  }

  /** Whether the commands will answer from the near tier when they are asked in this moment, and need not ask again. */
  isNear(wire: string): boolean {
    const kept = this.#parts.near?.find(wire);
    return holdsValue(kept) && !mayBeStale(kept.stored);
  }

  /** Whether the near tier knows the value by itself: tags are looked at first, which it may hold as well, and so is what may be stale. */
  tells(kept: Kept | undefined): kept is Kept & { readonly stored: Stored | null } {
    return holdsValue(kept) && !this.#parts.tags.concern(kept.stored) && !mayBeStale(kept.stored);
  }

  /** The value for what was read. Where the near tier shares values it is the shared one: what is kept may be newer, never older. */
  of(name: string, key: string, stored: Stored, wire: string): MaybePromise<unknown> {
    const { near } = this.#parts;
    if (!near?.freeze) return this.decoded(name, key, stored, wire);
    const kept = this.#parts.reader?.find(key);
    if (this.tells(kept)) return this.ofKept(name, key, kept);
    // Its tags and its age were looked at in what was read: what is kept now is as good where it says the same.
    const same = keepsBody(kept, contentOf(stored)) ? kept : undefined;
    if (same?.shared) return same.value;
    return then(this.decoded(name, key, stored, wire), (value) => near.share(same, value));
  }

  /** The value of an entry of the near tier: decoded for this caller, or once for all. */
  ofKept(name: string, key: string, kept: Kept & { readonly stored: Stored | null }): MaybePromise<unknown> {
    if (kept.shared) return kept.value;
    if (kept.stored === null) return undefined;
    const { near, codec, keys } = this.#parts;
    // Only what is encrypted is bound to the key in Redis.
    const value = this.decoded(name, key, given(kept.stored), codec.sealed ? keys.toWire(key) : key);
    return near?.freeze ? then(value, (decoded) => near.share(kept, decoded)) : value;
  }

  /** The value for these bytes; a miss and an `error` event where they cannot be read. A promise only where decoding takes time. */
  decoded(name: string, key: string, stored: Stored, wire: string): MaybePromise<unknown> {
    try {
      const value = this.#parts.codec.decode(contentOf(stored), wire);
      return value instanceof Promise ? value.catch((error: unknown) => this.#unreadable(name, key, error)) : value;
    } catch (error) {
      return this.#unreadable(name, key, error);
    }
  }

  #unreadable(name: string, key: string, error: unknown): undefined {
    this.#parts.policy.report({ name, key }, error);
  }
}

/** `await` that stays synchronous where there is nothing to wait for. */
function then<T, R>(value: MaybePromise<T>, next: (value: T) => R): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
