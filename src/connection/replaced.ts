import { debug } from '../telemetry/outages.js';
import type { Milliseconds } from '../ttl.js';
import { type Place, redisAt } from './place.js';
import { toConnectionError } from './reply-errors.js';
import type { Session } from './session.js';

/** Sessions that another one has replaced, and that still answer commands in flight. */
export class ReplacedSessions {
  readonly #sessions = new Set<Session>();

  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Closes it after `grace` milliseconds. `reason`: the failure because of which it was replaced, if there was one. */
  add(session: Session, grace: Milliseconds, reason?: Error): void {
    debug(() => `connection: another one to ${redisAt(this.#place)} takes its place`);
    const error = reason ?? toConnectionError(new Error('the connection was replaced'), this.#place);
    this.#sessions.add(session);
    const done = (): void => void this.#sessions.delete(session);
    session.close(grace, error).then(done, done);
  }

  end(error: Error): void {
    for (const session of this.#sessions) session.end(error);
  }
}
