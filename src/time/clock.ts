import { performance as hooks } from 'node:perf_hooks';

/** Node's timers, as they are when this module loads. No call hangs when a test installs fake timers later. */
export const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = globalThis;

export const { nextTick } = process;

const { performance: clock } = globalThis;

/** The monotonic clock, in milliseconds. */
export const now = clock.now.bind(clock);
/** The same clock under the name that Node gives it. */
export const performance = { now };

/** How long the event loop has waited and worked. */
export const eventLoopUtilization = hooks.eventLoopUtilization.bind(hooks);
