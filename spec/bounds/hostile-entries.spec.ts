import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { compiled } from '../support/compiled.js';
import { sharedServer } from '../support/hooks.js';
import { amount } from '../support/whole.js';

/** All 10 000 take minutes. */
const count = Number(process.env['REDIS_TIER_HOSTILE_ENTRIES'] ?? amount({ some: 30, all: 200 }));

describe('hostile entries', () => {
  it(`neither hold up a small process, fill its memory, nor end it: ${count} of them, alone and by mget of ${Math.min(count, 100)}`, async function () {
    this.timeout(200_000 + count * 1000);
    const { location, url, adminUrl } = sharedServer();
    const args = ['--max-old-space-size=256', '--expose-gc', compiled('spec/support/bounds-process.ts')];
    const child = spawn(process.execPath, [...args, location, adminUrl ?? url, randomUUID(), String(count), '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(code).to.equal(0);
    const { hold, of, growth, largest } = JSON.parse(output) as { hold: number; of: string; growth: number; largest: string };
    expect(hold, of).to.be.below(250);
    // Of resident memory, above the size that the process has after other pages: the values of 100 entries are most of it.
    expect(growth, largest).to.be.below(64);
  });
});
