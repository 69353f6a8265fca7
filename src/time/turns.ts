import type { Milliseconds } from '../ttl.js';
import { performance, setImmediate } from './clock.js';

/** How long work may take in one turn of the event loop before the rest waits for the next one. */
const maxTurn: Milliseconds = 20;

let spent: Milliseconds = 0;
let isMarked = false;
const waiting: (() => void)[] = [];

/**
 * Does work that may take long, such as parsing a large text: at once, or in a later turn of the event loop if such work has taken up this
 * one. Requests of others are served in between.
 */
export function inTurn<T>(work: () => T): T | Promise<T> {
  mark();
  if (spent < maxTurn && waiting.length === 0) return timed(work);
  return new Promise((resolve, reject) => {
    waiting.push(() => {
      try {
        resolve(timed(work));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function timed<T>(work: () => T): T {
  const began = performance.now();
  try {
    return work();
  } finally {
    spent += performance.now() - began;
  }
}

/** Lets the next turn begin anew. */
function mark(): void {
  if (isMarked) return;
  isMarked = true;
  setImmediate(nextTurn);
}

function nextTurn(): void {
  isMarked = false;
  spent = 0;
  while (spent < maxTurn) {
    const next = waiting.shift();
    if (!next) return;
    next();
  }
  mark();
}
