/**
 * Timers and clock as they are when this module loads. Tests install fake timers later: what bounds a call runs on these, so that no call
 * hangs while the time of a test stands still.
 */
export const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = globalThis;

export const { nextTick } = process;

/** The monotonic clock. */
export const now = performance.now.bind(performance);
