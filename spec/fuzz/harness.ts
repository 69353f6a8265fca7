import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';

/** How many targets share the time of a run. */
const targets = 5;
const seed = Number(process.env['FUZZ_SEED'] ?? 1);
const time = (Number(process.env['FUZZ_MINUTES'] ?? 0.1) * 60_000) / targets;

/** The most that one input may take: CPU time, so that a busy machine is no finding, and heap. */
const maxHold = 250;
const maxHeap = 160 * 2 ** 20;

/** Runs `work` on as many inputs as there is time for. It throws for a finding; too much time or memory is one too. */
export function fuzz<T>(title: string, inputs: fc.Arbitrary<T>, work: (input: T) => void | Promise<void>): void {
  it(title, async () => {
    let runs = 0;
    const property = fc.asyncProperty(inputs, async (input) => {
      const begun = process.cpuUsage();
      await work(input);
      const { user, system } = process.cpuUsage(begun);
      expect((user + system) / 1000, 'milliseconds of CPU').to.be.below(maxHold);
      if (++runs % 500 === 0) expect(heapInUse(), 'bytes of heap').to.be.below(maxHeap);
    });
    await fc.assert(property, { seed, numRuns: 2 ** 31 - 1, interruptAfterTimeLimit: time, markInterruptAsFailure: false });
    expect(runs).to.be.above(100);
  });
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** What is in use, not what waits to be collected: inputs are made faster than garbage is. */
function heapInUse(): number {
  if (process.memoryUsage().heapUsed > maxHeap) collect();
  return process.memoryUsage().heapUsed;
}
