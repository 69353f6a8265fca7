import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Background } from '../../src/time/background.js';
import { pause } from '../../src/time/waiting.js';

describe('Background', () => {
  it('has as many listeners as there is work, and no warning of a leak', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    const background = new Background();
    const pauses = Array.from({ length: 20 }, () => pause(60_000, { signal: background.signal }));
    await sleep(0);
    process.off('warning', warned);
    const aborted = once(background.signal, 'abort');
    background.stop(new Error('over'));
    await Promise.all([aborted, ...pauses]);
    expect(warnings).to.deep.equal([]);
  });

  it('is idle only after work that was added by other work has ended too', async () => {
    const background = new Background();
    let ended = false;
    const nested = async () => {
      await sleep(20);
      ended = true;
    };
    background.add(sleep(1).then(() => background.add(nested())));
    await background.idle();
    expect([ended, background.isIdle]).to.deep.equal([true, true]);
  });
});
