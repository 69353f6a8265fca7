const nothing = new Int32Array(new SharedArrayBuffer(4));

/** Holds up the event loop for so long, as work of the application does. It waits, and so leaves the processor to the specs beside it. */
export function block(time: number): void {
  Atomics.wait(nothing, 0, 0, time);
}
