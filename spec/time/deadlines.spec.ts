import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { createPool, type Pool } from '../../src/index.js';
import { TimeBudget } from '../../src/time/budget.js';
import { after as callAfter, runningTime, withTimeout } from '../../src/time/deadlines.js';
import { pause } from '../../src/time/waiting.js';
import { block } from '../support/block.js';
import { compiled } from '../support/compiled.js';
import { sharedServer } from '../support/hooks.js';
import { until } from '../support/until.js';

/** How many timers keep the process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('deadlines', () => {
  it('pass at most two ticks late, each at its own time', async () => {
    const start = performance.now();
    const times = [1, 30, 49, 50, 51, 120, 275, 300];
    const passed = await Promise.all(
      times.map((time) => new Promise<number>((resolve) => callAfter(time, () => resolve(performance.now() - start)))),
    );
    for (const [i, time] of times.entries()) expect(passed[i], `${time}`).to.be.within(time - 1, time + 110);
  });

  it('do not count time in which the process did not run', async () => {
    let passed = false;
    callAfter(300, () => {
      passed = true;
    });
    for (let i = 0; i < 5; i++) {
      block(400);
      await turn();
    }
    await sleep(20);
    expect(passed).to.equal(false);
    await until(() => passed, 2000);
  });

  it('of several commands together do not count it either', async () => {
    const command = (): Promise<unknown> => withTimeout(sleep(20), 1000);
    const budget = new TimeBudget(300);
    for (let i = 0; i < 5; i++) {
      const running = budget.run(command());
      block(400);
      await running;
    }
    const began = runningTime();
    const first = budget.run(command());
    block(400);
    await first;
    await new TimeBudget(300, began).run(command());
  });

  it('get no time that was lost before they began', async () => {
    await new Promise<void>((resolve) => callAfter(1, resolve));
    block(3000);
    const start = performance.now();
    await new Promise<void>((resolve) => callAfter(200, resolve));
    expect(performance.now() - start).to.be.below(1000);
  });

  it('keep no process alive once the work has settled, hardTimeout included, and keep it alive until then', async () => {
    // In a process of its own: the timer is shared, and other specs may have left deadlines.
    const child = spawn(process.execPath, [compiled('spec/support/deadlines-process.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 30_000,
    });
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect([output, code]).to.deep.equal(['passed\n', 0]);
  });

  it('work again after they have all been idle, and for those that begin while others expire', async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve) => callAfter(20, () => callAfter(20, resolve)));
      await sleep(120);
      // The last one is cancelled while others expire, and the next begins in its tick.
      await new Promise<void>((resolve) => callAfter(20, () => resolve(callAfter(30, () => {})())));
      await turn();
      await new Promise<void>((resolve) => callAfter(30, resolve));
    }
  });

  for (const [kind, options] of Object.entries({ 'node-redis': {}, 'a direct connection': { parser: 'auto' as const } })) {
    const open = (timeout: number): Pool => createPool({ location: sharedServer().location, timeout, ...options });

    it(`do not pass for a call whose answer waits to be read in a busy process: ${kind}`, async () => {
      for (const [timeout, busy] of [
        [60, 85],
        [200, 500],
      ] as const) {
        const pool = open(timeout);
        const ask = () => pool.use((connection) => connection.send(['PING']));
        await until(() => ask().then(Boolean, () => false));
        // The timer of the deadlines begins anew.
        await sleep(150);
        const asked = ask();
        await turn();
        block(busy);
        expect(String(await asked)).to.equal('PONG');
        await pool.close(100);
      }
    });

    it(`do not pass for a call that could not send its next command in a busy process: ${kind}`, async () => {
      const pool = open(200);
      await pool.use((connection) => connection.send(['PING']));
      await sleep(150);
      const asked = pool.use(async (connection) => {
        await connection.send(['PING']);
        return connection.send(['GET', 'p:k']);
      });
      await turn();
      block(500);
      expect(await asked).to.equal(null);
      await pool.close(100);
    });
  }

  it('pass in a process that is always busy, too', async () => {
    const start = performance.now();
    let passed = false;
    callAfter(100, () => {
      passed = true;
    });
    while (!passed && performance.now() - start < 3000) {
      block(150);
      await turn();
    }
    expect(performance.now() - start).to.be.below(1000);
  });
});

describe('a pause', () => {
  it('leaves no listener and no timer, whether it ends by itself or by a signal', async () => {
    await turn();
    const before = timers();
    const { signal } = new AbortController();
    for (let i = 0; i < 3; i++) await pause(1, { signal, caller: signal });
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    const stop = new AbortController();
    const caller = new AbortController();
    const long = pause(60_000, { signal: stop.signal, caller: caller.signal });
    stop.abort();
    await long;
    expect(getEventListeners(caller.signal, 'abort')).to.deep.equal([]);
    // Timers that other specs left may end meanwhile.
    expect(timers()).to.be.at.most(before);
  });
});
