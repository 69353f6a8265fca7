import { BackpressureError, CommandError, UnavailableError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import type { Batch, Caller, Receiver, Reply } from './connection.js';

/** What became of commands that were sent together. */
export type Outcomes = PromiseSettledResult<Reply>[];

/** Why the call has failed as a whole: no command was stored or answered by a Redis that can serve. `undefined` if one was. */
export function failureOf(outcomes: Outcomes): unknown {
  const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  const isAnswer = (reason: unknown): boolean => reason instanceof CommandError && !(reason instanceof UnavailableError);
  if (reasons.length < outcomes.length || reasons.some(isAnswer)) return undefined;
  // A connection that was lost, or a Redis that cannot serve, says more than a command that was not sent.
  return reasons.find((reason) => !(reason instanceof BackpressureError)) ?? reasons[0];
}

/** Gathers the replies of commands that were sent together. */
export class Replies {
  readonly #outcomes: Outcomes;
  readonly #onComplete: (outcomes: Outcomes) => void;
  #missing: number;

  constructor(count: number, onComplete: (outcomes: Outcomes) => void) {
    this.#outcomes = new Array(count);
    this.#missing = count;
    this.#onComplete = onComplete;
  }

  put(i: number, outcome: PromiseSettledResult<Reply>): void {
    this.#outcomes[i] = outcome;
    if (--this.#missing === 0) this.#onComplete(this.#outcomes);
  }
}

/** Takes the reply of one of several commands. */
export class NumberedReply implements Receiver {
  readonly #call: Caller;
  readonly #replies: Replies;
  readonly #i: number;

  constructor(call: Caller, replies: Replies, i: number) {
    this.#call = call;
    this.#replies = replies;
    this.#i = i;
  }

  get waiting(): boolean {
    return this.#call.waiting;
  }

  get timeout(): Milliseconds {
    return this.#call.timeout;
  }

  set batch(batch: Batch) {
    this.#call.batch = batch;
  }

  resolve(value: Reply): void {
    this.#replies.put(this.#i, { status: 'fulfilled', value });
  }

  reject(reason: unknown): void {
    this.#replies.put(this.#i, { status: 'rejected', reason });
  }
}
