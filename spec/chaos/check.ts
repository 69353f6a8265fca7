import { expect } from 'chai';
import type { Outcome } from '../support/chaos/run.js';

/** Bytes that may be in use beyond those of before: code that was compiled meanwhile, caches of Node. A leak of one call's is far above. */
const growth = 16 * 2 ** 20;

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Prints what a run was like, and fails if a promise was broken. */
export function check({ violations, calls, failed, hits, slowest, recovered, held, grown }: Outcome): void {
  console.log(
    `      ${calls} calls, ${((100 * failed) / calls).toFixed(1)} % failed, ${hits} values read; longest ${Math.round(slowest)} ms, back after ${Math.round(recovered)} ms; ${mib(held)} MiB more meanwhile, ${mib(grown)} afterwards`,
  );
  expect(violations).to.deep.equal([]);
  expect(hits).to.be.above(100);
  expect(grown).to.be.below(growth);
}
