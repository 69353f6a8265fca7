/**
 * Timers and clock as they are when this module loads. Tests install fake timers later: what bounds a call runs on these, so that no call
 * hangs while the time of a test stands still.
 */
export const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = globalThis;

export const { nextTick } = process;

const { performance: clock } = globalThis;

/** The monotonic clock. */
export const now = clock.now.bind(clock);
export const performance = { now };
