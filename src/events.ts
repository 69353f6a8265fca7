import { EventEmitter } from 'node:events';
import type { CacheError } from './errors.js';

/** What a store tells whoever listens. Nobody has to. */
export interface StoreEvents {
  /** An operation failed, whether its caller was told or got a miss instead; or the connection did. */
  error: [error: CacheError];
}

/** An emitter whose `error` may go unheard, and whose listeners cannot break the operation that emits. */
export class Events {
  readonly #emitter = new EventEmitter<StoreEvents>();
  #warned = false;

  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): void {
    this.#emitter.on(event, listener as never);
  }

  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): void {
    this.#emitter.off(event, listener as never);
  }

  emit<E extends keyof StoreEvents>(event: E, ...args: StoreEvents[E]): void {
    if (this.#emitter.listenerCount(event) === 0) return;
    try {
      this.#emitter.emit(event, ...(args as never));
    } catch (error) {
      // Keyv 6 re-emits on an emitter that throws where nobody listens.
      if (this.#warned) return;
      this.#warned = true;
      process.emitWarning(`a listener of redis-tier's \`${event}\` event threw: ${String(error)}`, { code: 'REDIS_TIER_LISTENER' });
    }
  }
}
