import { EventEmitter } from 'node:events';
import type { BreakerState } from './connection/breaker.js';
import type { ArgumentError, CacheError } from './errors.js';

/** What a store tells whoever listens. Nobody has to. */
export interface StoreEvents {
  /** An operation failed, whether its caller was told or got a miss instead; or the connection did. */
  error: [error: CacheError | ArgumentError];
  /** The breaker opened, let a trial through, or closed. */
  breaker: [state: BreakerState];
  /** A read found a value. One event for each key. */
  hit: [read: ReadEvent & { readonly bytes: number }];
  /** A read found none. A read that failed is no miss: `error` tells of it. */
  miss: [read: ReadEvent];
  /** An entry was stored. */
  set: [entry: EntryEvent];
  /** An entry was deleted, if it was there: one event for each key, those that `clear` found included. */
  delete: [entry: EntryEvent];
}

export interface ReadEvent {
  /** The method, such as `get` or `mget`. */
  readonly operation: string;
  /** The caller's key. */
  readonly key: string;
}

export interface EntryEvent {
  /** The caller's key; `undefined` where it cannot be told from the key in Redis (`hashLongKeys`, `keyFunction` without `parseKey`). */
  readonly key: string | undefined;
}

/** An emitter whose `error` may go unheard, and whose listeners cannot break the operation that emits. */
export class Events {
  readonly #emitter = new EventEmitter<StoreEvents>();
  /**
   * Whether anybody listens. Asked before a payload is made, so that an event nobody hears costs nothing; and a property of its own for
   * each, for to ask the emitter, or by name, takes longer than all else that is done for a read nobody hears of.
   */
  readonly heard: Record<keyof StoreEvents, boolean> = {
    error: false,
    breaker: false,
    hit: false,
    miss: false,
    set: false,
    delete: false,
  };
  #warned = false;

  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): void {
    this.#emitter.on(event, listener as never);
    this.heard[event] = true;
  }

  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): void {
    this.#emitter.off(event, listener as never);
    this.heard[event] = this.#emitter.listenerCount(event) > 0;
  }

  emit<E extends keyof StoreEvents>(event: E, ...args: StoreEvents[E]): void {
    if (!this.heard[event]) return;
    // One by one: an emitter would not call the others after one that throws.
    for (const listener of this.#emitter.listeners(event)) {
      try {
        (listener as (...args: StoreEvents[E]) => void)(...args);
      } catch (error) {
        this.#warn(event, error, error === args[0]);
      }
    }
  }

  /** Once: Keyv 4 and 6 emit errors again on an emitter that throws if nothing listens. */
  #warn(event: string, error: unknown, unheard: boolean): void {
    if (this.#warned) return;
    this.#warned = true;
    const what = unheard
      ? `nothing listens to the \`${event}\` event of the Keyv around redis-tier`
      : `a listener of redis-tier's \`${event}\` event threw`;
    process.emitWarning(`${what}: ${String(error)}`, { code: 'REDIS_TIER_LISTENER' });
  }
}
