import type { EventLoopUtilization } from 'node:perf_hooks';
import type { ConnectionPhase } from '../errors.js';
import { debug } from '../telemetry/outages.js';
import { clearTimeout, eventLoopUtilization, performance, setTimeout } from '../time/clock.js';
import { after } from '../time/deadlines.js';
import { type Milliseconds, maxTimerDelay } from '../ttl.js';
import { maxAge, maxAttempts, minAge } from './pacing.js';
import { type Place, redisAt } from './place.js';
import type { Session } from './session.js';

/** How long the steps of an attempt may take until `onTimeout` is called; 0 for ever. */
export interface AttemptTimes {
  readonly connection: Milliseconds;
  readonly handshake: Milliseconds;
}

type Step = keyof AttemptTimes;

type OnTimeout = (attempt: Attempt, error: Error) => void;

/** The error of a server that says nothing. */
export const timedOut = (message: string): Error => Object.assign(new Error(message), { code: 'ETIMEDOUT' });

/** One attempt to connect. Time in which the process was busy does not count: what has arrived is read first. */
export class Attempt {
  readonly session: Session;
  readonly startedAt = performance.now();
  readonly #times: AttemptTimes;
  readonly #onTimeout: OnTimeout;
  /** Where the steps have begun, to tell waiting from time in which the process was busy. */
  readonly #begun: Partial<Record<Step, EventLoopUtilization>> = {};
  #cancel = (): void => {};

  constructor(session: Session, times: AttemptTimes, onTimeout: OnTimeout) {
    this.session = session;
    this.#times = times;
    this.#onTimeout = onTimeout;
  }

  /** A step begins. An attempt whose time is up is kept for a while: its server may be about to answer. */
  begin(step: Step): void {
    this.#cancel();
    this.#begun[step] = eventLoopUtilization();
    const time = this.#times[step];
    if (time <= 0) return;
    const error = timedOut(`no ${step} within ${time} ms`);
    this.#cancel = after(time, () => {
      this.#cancel = after(maxAge, () => this.session.end(error));
      this.#onTimeout(this, error);
    });
  }

  /** How far it is. Before its socket opens, the application may be asked for credentials, which are part of the handshake. */
  get phase(): ConnectionPhase {
    return this.#begun.connection && !this.#begun.handshake ? 'connecting' : 'handshake';
  }

  /** It is over, however it ended. */
  stop(): void {
    this.#cancel();
  }

  /**
   * What it has cost the server, now that it has succeeded: the time of its dear step without round trips, which the other step shows. TCP
   * takes one, TLS another, and so does the handshake. `undefined` if it was not us that opened the socket.
   */
  cost(isTls: boolean): Milliseconds | undefined {
    const { connection, handshake } = this.#begun;
    if (!connection || !handshake) return undefined;
    const [connected, shaken] = [eventLoopUtilization(handshake, connection).idle, eventLoopUtilization(handshake).idle];
    return Math.max(0, isTls ? connected - 2 * shaken : shaken - connected);
  }
}

/** The attempts of one connection that are under way, and when the next one begins. */
export class Attempts {
  readonly #times: AttemptTimes;
  readonly #onTimeout: OnTimeout;
  readonly #place: Place;
  readonly #underWay = new Map<Session, Attempt>();
  #timer: NodeJS.Timeout | undefined;

  constructor(times: AttemptTimes, onTimeout: OnTimeout, place: Place) {
    this.#times = times;
    this.#onTimeout = onTimeout;
    this.#place = place;
  }

  get size(): number {
    return this.#underWay.size;
  }

  get #oldest(): Attempt | undefined {
    return this.#underWay.values().next().value;
  }

  get newest(): Attempt | undefined {
    return [...this.#underWay.values()].at(-1);
  }

  /** If there are as many as there may be, the oldest gives way. */
  add(session: Session): Attempt {
    const oldest = this.#oldest;
    if (oldest && this.#underWay.size >= maxAttempts) {
      this.ended(oldest);
      oldest.session.end(new Error('no connection for so long that others are made'));
    }
    const attempt = new Attempt(session, this.#times, this.#onTimeout);
    debug(() => `connection: connects to ${redisAt(this.#place)}, beside ${this.#underWay.size} other attempts`);
    this.#underWay.set(session, attempt);
    return attempt;
  }

  begin(session: Session, step: Step): void {
    this.#underWay.get(session)?.begin(step);
  }

  /** @returns whether it was still under way */
  ended(attempt: Attempt): boolean {
    attempt.stop();
    return this.#underWay.delete(attempt.session);
  }

  /** Makes the next one after this time, in place of any other time. */
  schedule(delay: Milliseconds, act: () => void): void {
    clearTimeout(this.#timer);
    // Beyond the longest delay, Node would not wait at all.
    this.#timer = setTimeout(act, Math.min(Math.max(delay, this.#untilFree()), maxTimerDelay));
  }

  /** Until the oldest may give way to another. */
  #untilFree(): Milliseconds {
    const oldest = this.#oldest;
    return oldest && this.#underWay.size >= maxAttempts ? minAge - (performance.now() - oldest.startedAt) : 0;
  }

  /** Makes no further one, and ends those under way. */
  stop(error: Error): void {
    clearTimeout(this.#timer);
    const attempts = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const attempt of attempts) {
      attempt.stop();
      attempt.session.end(error);
    }
  }
}
