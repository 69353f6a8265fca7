/**
 * The monotonic clock, set by the time of day, which Redis shows in MONITOR: in milliseconds. Node sets `performance.timeOrigin` by two clocks
 * that it reads one after the other, so that it is wrong by as much as the process was held up in between.
 */
export const wallClock = ((): (() => number) => {
  let offset = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 50; i++) {
    const before = performance.now();
    const time = Date.now();
    const took = performance.now() - before;
    if (took >= shortest) continue;
    shortest = took;
    offset = time - before;
  }
  return () => offset + performance.now();
})();
