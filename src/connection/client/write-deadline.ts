import { Deadline } from '../../time/deadlines.js';
import type { Caller, Route } from '../connection.js';

/**
 * Given to node-redis as the AbortSignal of a command: takes the command out of the queue of a client of the application if it was not
 * written within the time of its call. Else a write that was reported as failed would be sent when the connection is back, over a newer one.
 */
class WriteDeadline {
  readonly #caller: Caller;
  /** node-redis may send parts of a command to several nodes. */
  readonly #deadlines = new Map<() => void, Deadline>();

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get aborted(): boolean {
    return !this.#caller.waiting;
  }

  /** The command is in the queue. */
  addEventListener(_type: 'abort', abort: () => void): void {
    this.#deadlines.set(abort, new Deadline(this.#caller.timeout, { expire: abort }));
  }

  /** It is written. */
  removeEventListener(_type: 'abort', abort: () => void): void {
    this.#deadlines.get(abort)?.cancel();
    this.#deadlines.delete(abort);
  }
}

/** The options of a command of this call. A read that comes too late does no harm, and an AbortSignal costs node-redis some 2 µs. */
export function optionsFor({ readonly }: Route, caller: Caller | undefined): { readonly abortSignal: WriteDeadline } | undefined {
  return caller && !readonly ? { abortSignal: new WriteDeadline(caller) } : undefined;
}
