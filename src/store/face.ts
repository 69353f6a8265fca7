import type { RedisClientType } from '@redis/client';
import type { StoreParts } from '../compose.js';
import type { Status } from '../connection/connection.js';
import type { BreakerState, Source } from '../telemetry/events.js';

/** What every face shows of its connection, and of itself to observers. */
export abstract class Face {
  readonly #parts: StoreParts;

  /** @internal */
  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** node-redis's client if all calls share one connection (the default). It connects on first use: see `ready()`. */
  get client(): RedisClientType | undefined {
    return this.#parts.lifecycle.client as RedisClientType | undefined;
  }

  /** The state of the connection. */
  get status(): Status {
    return this.#parts.lifecycle.status;
  }

  /** The state of the circuit breaker: calls are sent (`closed`), refused (`open`), or one is tried (`half-open`). */
  get breaker(): BreakerState {
    return this.#parts.lifecycle.breaker;
  }

  /** Which store this is, in the messages of the channels `redis-tier:command` and `redis-tier:load`. */
  get source(): Source {
    return this.#parts.cache.context.source;
  }

  /** The parts, for what shares them. @internal */
  static partsOf(face: Face): StoreParts {
    return face.#parts;
  }
}
