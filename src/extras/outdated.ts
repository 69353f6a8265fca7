import type { Leases } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import { performance } from '../connection/real-time.js';
import { settledWithin } from '../connection/settled-within.js';
import { ArgumentError, CacheError, CodecError, ConnectionError, OutOfMemoryError, PermissionError, TooLargeError } from '../errors.js';
import type { FailurePolicy } from '../failure.js';
import type { Milliseconds } from '../ttl.js';
import type { Background } from './background.js';
import { pause } from './pause.js';

export interface OutdatedParts {
  readonly commands: Pick<OrderedCommands, 'del'>;
  readonly background: Pick<Background, 'signal' | 'add'>;
  readonly timeout: Milliseconds;
  /** Whether wrong arguments reject: the caller knows then that nothing was done. */
  readonly strict: boolean;
  readonly policy: Pick<FailurePolicy, 'report'>;
  /** @throws {ArgumentError} for what is no key */
  readonly leased: (keys: readonly string[]) => { readonly wires: readonly string[]; readonly leases: Leases };
}

/** Failures of a write after which a deletion can still be carried out: it needs no room, and may be allowed where the write is not. */
const kinds = [OutOfMemoryError, TooLargeError, PermissionError, CodecError];

/** Entries that writes were to replace which are not stored: they are no longer true. */
export class Outdated {
  readonly #parts: OutdatedParts;

  constructor(parts: OutdatedParts) {
    this.#parts = parts;
  }

  /** Whether a write that failed so leaves such an entry, though Redis can be reached. */
  by(error: unknown): boolean {
    if (error instanceof ArgumentError) return !this.#parts.strict;
    if (!(error instanceof CacheError)) return false;
    return kinds.some((kind) => error instanceof kind) || error.code === 'ERR_OPTION';
  }

  /** Deletes them. Fails open. `error`: how the write failed; that took some of its time, so this is waited for half a `timeout` and then goes on by itself. */
  async remove(keys: readonly string[], name: string, error?: unknown): Promise<void> {
    if (keys.length === 0) return;
    const { leased, policy, timeout, background } = this.#parts;
    let targets: ReturnType<OutdatedParts['leased']>;
    try {
      targets = leased(keys);
    } catch {
      // A wrong key, which was reported.
      return;
    }
    const removed = this.#remove(targets, error instanceof TooLargeError).catch((failure: unknown) => {
      // Forbidden as the write was, which has been told of.
      if (failure instanceof PermissionError && error instanceof PermissionError) return;
      policy.report({ name, key: keys.length === 1 ? keys[0] : undefined }, failure);
    });
    background.add(removed);
    await (error === undefined ? removed : settledWithin(removed, timeout / 2));
  }

  /** `closing`: Redis ends the connection over what it refused, and the next one is waited for. */
  async #remove({ wires, leases }: ReturnType<OutdatedParts['leased']>, closing: boolean): Promise<void> {
    const { commands, background, timeout } = this.#parts;
    const end = performance.now() + (closing ? timeout / 2 : 0);
    for (;;) {
      try {
        await commands.del(wires, leases, true);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() >= end || background.signal.aborted) throw error;
        await pause(25, { signal: background.signal });
      }
    }
  }
}
