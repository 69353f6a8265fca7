// Loaded before anything else in a process whose clocks the parent moves, all of them, by `{ move: milliseconds }`.

let moved = 0;

const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [RealDate.now() + moved] : args) as [number]));
  }
  static override now(): number {
    return RealDate.now() + moved;
  }
} as DateConstructor;

const performanceNow = performance.now.bind(performance);
performance.now = () => performanceNow() + moved;

const { hrtime } = process;
const movedHrtime = ((since?: [number, number]) => {
  const time = hrtime();
  const nanoseconds = BigInt(time[0]) * 1_000_000_000n + BigInt(time[1]) + BigInt(moved) * 1_000_000n;
  const from = since ? BigInt(since[0]) * 1_000_000_000n + BigInt(since[1]) : 0n;
  return [Number((nanoseconds - from) / 1_000_000_000n), Number((nanoseconds - from) % 1_000_000_000n)];
}) as NodeJS.HRTime;
movedHrtime.bigint = () => hrtime.bigint() + BigInt(moved) * 1_000_000n;
process.hrtime = movedHrtime;

process.on('message', (message: { move?: number }) => {
  if (typeof message?.move === 'number') moved = message.move;
});
