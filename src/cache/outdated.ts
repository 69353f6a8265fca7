import type { Leases } from '../commands/commands.js';
import { ArgumentError, CacheError, CodecError, ConnectionError, OutOfMemoryError, PermissionError, TooLargeError } from '../errors.js';
import { performance } from '../time/clock.js';
import { waitAtMost } from '../time/deadlines.js';
import { pause } from '../time/waiting.js';
import type { CacheContext } from './context.js';
import type { Operation } from './failure.js';
import type { CacheCore } from './values.js';

interface Targets {
  readonly redisKeys: string[];
  readonly leases: Leases;
}

/** The keys of a deletion, with the leases that it ends. Later callers do not share loads from before it. */
export function targetsOf({ keys: space, loads }: CacheContext, keys: readonly string[]): Targets {
  const redisKeys = keys.map((key) => space.toRedisKey(key));
  for (const redisKey of redisKeys) loads.forget(redisKey);
  return { redisKeys, leases: redisKeys.map((redisKey) => space.siblingKey?.(redisKey, 'lease')) };
}

/** Failures of a write after which a deletion may succeed: it needs no memory, and the ACL may allow it. */
const kinds = [OutOfMemoryError, TooLargeError, PermissionError, CodecError];

/** Deletes entries that are no longer true, because the write that was to replace them failed. */
export class Outdated {
  readonly #cache: CacheCore;

  constructor(cache: CacheCore) {
    this.#cache = cache;
  }

  /** Whether a write that failed with this error leaves such an entry while Redis can be reached. */
  isLeftBy(error: unknown): boolean {
    if (error instanceof ArgumentError) return !this.#cache.context.strict;
    if (!(error instanceof CacheError)) return false;
    return kinds.some((kind) => error instanceof kind) || error.code === 'ERR_OPTION';
  }

  /** Fails open. `error`: the failure of the write, which took some of its time: then the caller waits half a `timeout` at most. */
  async unlink(keys: readonly string[], operation: string, error?: unknown): Promise<void> {
    if (keys.length === 0) return;
    const { timeout, background } = this.#cache.context;
    let targets: Targets;
    try {
      targets = targetsOf(this.#cache.context, keys);
    } catch {
      // A wrong key, which was reported.
      return;
    }
    const unlinked = this.#unlink(targets, error instanceof TooLargeError).catch((failure: unknown) => {
      // Forbidden like the write, which was reported.
      if (failure instanceof PermissionError && error instanceof PermissionError) return;
      this.#cache.policy.report(operationOn(operation, keys), failure);
    });
    background.add(unlinked);
    await (error === undefined ? unlinked : waitAtMost(unlinked, timeout / 2));
  }

  /** `isClosing`: Redis closes the connection over what it refused, and the deletion takes the next one. */
  async #unlink({ redisKeys, leases }: Targets, isClosing: boolean): Promise<void> {
    const { commands, background, timeout } = this.#cache.context;
    const end = performance.now() + (isClosing ? timeout / 2 : 0);
    for (;;) {
      try {
        await commands.unlink(redisKeys, { leases, counted: false });
        return;
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() >= end || background.signal.aborted) throw error;
        await pause(25, { signal: background.signal });
      }
    }
  }
}

/** The operation on these keys, as an error names it. */
export function operationOn(name: string, keys: readonly string[]): Operation {
  return { name, key: keys.length === 1 ? keys[0] : undefined };
}
