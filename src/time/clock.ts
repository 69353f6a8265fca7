/**
 * The timers of Node, as they are when this module loads. A test may install fake timers later: with these, no call hangs while the clock
 * of the test stands still.
 */
export const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = globalThis;

/** `process.nextTick` of Node. */
export const { nextTick } = process;

const { performance: clock } = globalThis;

/** The monotonic clock, in milliseconds. */
export const now = clock.now.bind(clock);
/** The same clock under the name that Node gives it. */
export const performance = { now };
