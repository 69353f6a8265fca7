import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { pause } from '../../src/time/waiting.js';

describe('Waiting', () => {
  it('ends a pause whose time is already over without a warning', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    await pause(-0.01);
    // A warning is emitted in a later tick.
    await sleep(0);
    process.off('warning', warned);
    expect(warnings).to.deep.equal([]);
  });
});
