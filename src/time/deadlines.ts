import { TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { clearImmediate, clearInterval, now, setImmediate, setInterval } from './clock.js';

/** Period of the timer that all deadlines share: a deadline passes up to this much late. */
export const tick: Milliseconds = 50;

/** How much later at most a deadline passes if the process was a little busy. */
export const maxLateness: Milliseconds = 3 * tick;

export interface Expiring {
  expire(): void;
}

/** The pending deadlines, listed by the tick in which they are due. */
const lists = new Map<number, Deadline>();
/** The list that was last added to: usually the next one too. */
let recent: { readonly key: number; readonly head: Deadline } | undefined;
let pending = 0;
let timer: NodeJS.Timeout | undefined;
let lastTick = 0;
/** Time in which the process did not run, such as that of a long computation or of SIGSTOP: it counts for no deadline. */
let lost: Milliseconds = 0;

/**
 * A moment at which something expires, unless it is cancelled before. All deadlines share one coarse timer, which keeps the process alive
 * only while one is pending. Replies that have arrived by then are read first, and a process that was busy gets one more tick to read them.
 */
export class Deadline {
  readonly #due: number;
  #expiring: Expiring | undefined;
  #previous: Deadline;
  #next: Deadline;

  /** Without `expiring`, it is the head of a list. */
  constructor(time: Milliseconds, expiring?: Expiring) {
    const start = runningTime();
    const due = start + time;
    this.#due = due;
    this.#expiring = expiring;
    const key = Math.floor(due / tick);
    const head = expiring === undefined ? this : recent?.key === key ? recent.head : listOf(key);
    this.#next = head;
    this.#previous = this;
    if (head === this) return;
    this.#previous = head.#previous;
    head.#previous.#next = this;
    head.#previous = this;
    if (pending++ === 0) startTimer(start + lost);
  }

  get pending(): boolean {
    return this.#expiring !== undefined;
  }

  /** @returns whether it was still pending */
  cancel(): boolean {
    if (this.#expiring === undefined) return false;
    this.#expiring = undefined;
    // Unlinked at once, so that the garbage collector has no long chains to follow.
    this.#previous.#next = this.#next;
    this.#next.#previous = this.#previous;
    if (--pending === 0) timer?.unref();
    return true;
  }

  /** Expires what was due at that time, of which lost time is no part, in the order in which it began. */
  static expireDue(time: Milliseconds): void {
    const due: Deadline[] = [];
    recent = undefined;
    for (const [key, head] of lists) {
      if (key * tick > time) continue;
      for (let deadline = head.#next; deadline !== head; deadline = deadline.#next) if (deadline.#due <= time) due.push(deadline);
      if ((key + 1) * tick <= time) lists.delete(key);
    }
    for (const deadline of due) {
      const expiring = deadline.#expiring;
      if (deadline.cancel()) expiring?.expire();
    }
    if (pending > 0) return;
    clearInterval(timer);
    timer = undefined;
    lists.clear();
    recent = undefined;
  }
}

function listOf(key: number): Deadline {
  const head = lists.get(key) ?? new Deadline(0);
  lists.set(key, head);
  recent = { key, head };
  return head;
}

function startTimer(start: number): void {
  if (timer !== undefined) {
    timer.ref();
    return;
  }
  lastTick = start;
  timer = setInterval(onTick, tick);
}

/** The process did not run since the last tick, which was to be followed by another after `tick`. */
function countLost(time: number): void {
  lost += time - lastTick - tick;
  lastTick = time;
}

/** The monotonic clock without the time in which the process did not run, which is noticed while a deadline is pending. */
export function runningTime(): Milliseconds {
  const time = now();
  if (timer !== undefined && time - lastTick > tick + maxLateness) countLost(time);
  return time - lost;
}

function onTick(): void {
  const time = now();
  const lateness = time - lastTick - tick;
  // If the process was a little busy, only what was due at the tick before expires.
  const due = lateness > tick && lateness <= maxLateness ? lastTick : time;
  if (lateness > maxLateness) countLost(time);
  else lastTick = time;
  // Replies that have arrived are read before an immediate runs.
  setImmediate(() => Deadline.expireDue(due - lost));
}

/** Calls `act` after `time`, by the shared timer; if that is 0 or less, in the next turn of the event loop. @returns its cancellation */
export function after(time: Milliseconds, act: () => void): () => void {
  if (time <= 0) {
    const immediate = setImmediate(act);
    return () => clearImmediate(immediate);
  }
  const deadline = new Deadline(time, { expire: act });
  return () => void deadline.cancel();
}

/**
 * Settles as the work does, but rejects with a TimeoutError after `time`. `timeout` is the whole time of which `time` is the rest. `settling`
 * is called before either.
 */
export function withTimeout<T>(work: Promise<T>, time: Milliseconds, timeout = time, what?: string, settling?: () => void): Promise<T> {
  return race(work, time, (_, reject) => reject(new TimeoutError(timeout, what)), settling);
}

/** Called between the steps of an operation. @throws {TimeoutError} if its caller has already been told that it failed */
export type CheckDeadline = () => void;

/** Gives work of several steps one deadline. The first step may be no command at all; commands not sent by then are not sent. */
export function withDeadline<T>(timeout: Milliseconds, work: (checkDeadline: CheckDeadline) => Promise<T>): Promise<T> {
  let over = false;
  const steps = work(() => {
    if (over) throw new TimeoutError(timeout);
  });
  return race(steps, timeout, (_, reject) => {
    over = true;
    reject(new TimeoutError(timeout));
  });
}

/** Waits for the work, at most for `time`. Rejects only if the work does so in time. */
export function waitAtMost(work: Promise<unknown>, time: Milliseconds): Promise<unknown> {
  return race(work, time, (resolve) => resolve(undefined));
}

/** The first of the promises to be fulfilled, within `time`; else rejects with the error of the first one, or a TimeoutError. */
export async function firstAnswer<T>(asked: readonly Promise<T>[], time: Milliseconds): Promise<T> {
  try {
    return await withTimeout(Promise.any(asked), time);
  } catch (error) {
    throw error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  }
}

/** Settles as the work does, unless the time is up first. */
function race<T>(
  work: Promise<T>,
  time: Milliseconds,
  onTimeout: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  settling: () => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const cancel = after(time, () => {
      isOver = true;
      settling();
      onTimeout(resolve, reject);
    });
    const end = (): boolean => {
      if (isOver) return false;
      cancel();
      settling();
      return true;
    };
    work.then(
      (value) => end() && resolve(value),
      (error: unknown) => end() && reject(error),
    );
  });
}
