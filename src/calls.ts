import { callOptions } from './call-options.js';
import type { CallOptions } from './connection/guard.js';
import { ArgumentError, expected, UnsupportedError } from './errors.js';
import { type Entries, withOptions } from './extras/entries.js';
import { acquireLock, type Lock, type LockOptions } from './extras/lock.js';
import type { WriteOptions } from './extras/write-options.js';
import { ScopedCache } from './scope.js';
import { maxTimerDelay, type Ttl } from './ttl.js';
import { unawaited, unawaitedIfOurs } from './unawaited.js';

/** The calls of a store by the names that cache-manager has for them, with the store's own bounds or others. */
export class StoreCalls extends ScopedCache {
  /**
   * The same entries, with other bounds for the calls: `store.with({ timeout: 50 }).get(key)`, `store.with({ signal }).get(key)`.
   * Its calls are not coalesced, and have no order with those of the store that are still under way.
   *
   * @throws {ArgumentError} for an unknown name, or a wrong kind
   */
  with(bounds: CallOptions): StoreCalls {
    const { timeout, signal } = callOptions('with', bounds, { timeout: true, signal: true });
    if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout <= maxTimerDelay)) {
      throw new ArgumentError(expected('timeout', `a number of milliseconds > 0 and ≤ ${maxTimerDelay}`, timeout));
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new ArgumentError(expected('signal', 'an AbortSignal', signal));
    return new StoreCalls(this.bounded({ timeout, signal }));
  }

  /**
   * Stores a value. Redis: SET with PX. Values that `isCacheable` refuses are not stored.
   * Fails open: nothing is stored, and an `error` event says so.
   *
   * @param how milliseconds; `0`, `null` or `Infinity` for ever; the option `ttl` where it is left out. Or `{ ttl, tags }`
   */
  set(key: string, value: unknown, how?: Ttl | WriteOptions): Promise<void> {
    // Whether it was stored is nothing the contract has a place for; one promise less is.
    return this.put(key, value, how) as Promise<unknown> as Promise<void>;
  }

  /** Deletes the entry. Redis: UNLINK, one for the deletions of a tick. Fails loud: an invalidation that did not happen is not passed over. */
  del(key: string): Promise<void> {
    return this.discard([key]);
  }

  /** Deletes the entries of this store, and nothing else: {@link clear}. */
  reset(): Promise<void> {
    return this.clear();
  }

  /**
   * Stores many entries, each with the ttl, or `{ ttl, tags }`, pipelined without a transaction. Redis: SET with PX. Fails open, entry by
   * entry.
   *
   * @param entries pairs of key and value, as an array, a Map or another iterable, or a record
   */
  mset(entries: Entries, how?: Ttl | WriteOptions): Promise<void> {
    return unawaited(this.#mset(entries, how));
  }

  async #mset(entries: Entries, how?: Ttl | WriteOptions): Promise<void> {
    const pairs = this.policy.checked({ name: 'mset' }, () => withOptions(entries, how));
    await this.putMany(pairs, 'mset');
  }

  /** The values under the keys, in their order, `undefined` where there is none. Redis: MGET. Fails open. */
  mget(...keys: string[]): Promise<unknown[]> {
    return this.getMany(keys, 'mget');
  }

  /** Deletes many entries. Redis: UNLINK. Fails loud. */
  mdel(...keys: string[]): Promise<void> {
    return this.discard(keys, 'mdel');
  }

  /**
   * Locks a name: a lease on one Redis, renewed while this process lives. It has nothing to do with the entry under the same key, and
   * is the same lock in all versions of the prefix. Redis: SET NX PX in a script. Fails loud.
   *
   * @throws {LockError} if another holder has it for longer than `wait`
   * @throws {UnsupportedError} where a function of your own makes the keys, and on a store that stores nothing
   */
  lock(key: string, options?: LockOptions): Promise<Lock> {
    return this.policy.loud({ name: 'lock', key }, async () => {
      const { commands, background, returns, keysOf } = this.parts;
      const space = keysOf?.(undefined);
      if (!space?.beside) throw new UnsupportedError('locks have no place beside the keys of a `keyFunction` or a `keyPrefix` with `:`');
      const wire = space.toWire(key);
      const [lock, fence] = [space.beside(wire, 'k'), space.beside(wire, 'f')];
      const loud = <T>(name: string, work: () => Promise<T>) => this.policy.loud({ name, key }, work);
      return acquireLock({ commands, background, returns, key, lock, fence, loud }, options);
    });
  }

  /**
   * Runs the work under the lock and releases it, however the work ends. Rejects as the work does; with a LockError where the
   * work went well and the lock was lost meanwhile: look at `lock.signal` while it runs.
   */
  withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T> {
    return unawaitedIfOurs(this.#withLock(key, work, options));
  }

  async #withLock<T>(key: string, work: (lock: Lock) => T | Promise<T>, options?: LockOptions): Promise<T> {
    const lock = await this.lock(key, options);
    let result: T;
    try {
      result = await work(lock);
    } catch (error) {
      // What the work threw is what matters; an `error` event tells of the other.
      await lock.release().catch(() => {});
      throw error;
    }
    await lock.release();
    return result;
  }
}
