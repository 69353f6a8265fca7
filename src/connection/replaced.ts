import { debug } from '../telemetry/outages.js';
import type { Milliseconds } from '../ttl.js';
import { type Place, redisAt } from './place.js';
import { toConnectionError } from './reply-errors.js';
import type { Session } from './session.js';

/** Replaces a session by another one. What is replaced still answers commands in flight. */
export class ReplacedSessions {
  readonly #sessions = new Set<Session>();

  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Closes the old session after `grace` milliseconds, unless it is the new one. `reason`: the failure because of which it is replaced. */
  replace(old: Session | undefined, session: Session, grace: Milliseconds, reason?: Error): void {
    const isReplaced = old !== undefined && old !== session;
    debug(() => `connection: ready, ${redisAt(this.#place)}${isReplaced ? ', in place of another one' : ''}`);
    if (!isReplaced) return;
    const error = reason ?? toConnectionError(new Error('the connection was replaced'), this.#place);
    this.#sessions.add(old);
    const done = (): void => void this.#sessions.delete(old);
    old.close(grace, error).then(done, done);
  }

  end(error: Error): void {
    for (const session of this.#sessions) session.end(error);
  }
}
