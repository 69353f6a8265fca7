import { TimeoutError } from '../errors.js';
import type { Milliseconds } from '../ttl.js';
import { tick } from './deadlines.js';
import { clearImmediate, clearTimeout, now, setImmediate, setTimeout } from './real-time.js';

/**
 * Acts after so long, once what has arrived by then was read: where the process was busy, timers come before that, and before what was still to be sent.
 * @returns ends it
 */
export function after(time: Milliseconds, act: () => void): () => void {
  const due = now() + Math.max(0, time);
  let immediate: NodeJS.Immediate | undefined;
  let timer = setTimeout(
    () => {
      if (now() - due > tick) timer = setTimeout(act, tick);
      else immediate = setImmediate(act);
    },
    Math.max(0, time),
  );
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/** The answer, if it comes within `time`; else a TimeoutError, and the answer is nobody's. `timeout`: of what this time is the rest. */
export async function answeredWithin<T>(work: Promise<T>, time: Milliseconds, timeout = time): Promise<T> {
  let end: (() => void) | undefined;
  const over = new Promise<never>((_, reject) => {
    end = after(time, () => reject(new TimeoutError(timeout)));
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    end?.();
  }
}

/** Called between the steps of an operation: throws where its caller was told that it failed. */
export type GoOn = () => void;

/** One deadline for work of several steps, the first of which may be no command at all. What is not sent by then is not sent. */
export function inOneTime<T>(timeout: Milliseconds, work: (goOn: GoOn) => Promise<T>): Promise<T> {
  let over = false;
  const answer = answeredWithin(
    work(() => {
      if (over) throw new TimeoutError(timeout);
    }),
    timeout,
  );
  return answer.finally(() => {
    over = true;
  });
}
