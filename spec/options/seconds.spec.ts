import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { compiled } from '../support/compiled.js';
import { sideBySide } from '../support/side-by-side.js';

/** What a process warns of that opens stores with these options, one after the other. */
function warnings(face: 'redisStore' | 'createKeyv', ...options: object[]): string[] {
  const source = `
    const { redisStore } = require(${JSON.stringify(compiled('src/index.ts'))});
    const { createKeyv } = require(${JSON.stringify(compiled('src/keyv.ts'))});
    const open = { redisStore, createKeyv };
    const seen = [];
    process.on('warning', ({ code, message }) => { if (code === 'REDIS_TIER_SECONDS') seen.push(message); });
    for (const options of ${JSON.stringify(options)}) open.${face}({ location: 'memory:', ...options });
    setImmediate(() => { console.log(JSON.stringify(seen)); process.exit(); });
  `;
  return JSON.parse(execFileSync(process.execPath, ['--no-warnings', '-e', source], { encoding: 'utf8' })) as string[];
}

describe('times that look like seconds', () => {
  const it = sideBySide();

  it('are warned of once in a process', async () => {
    for (const face of ['redisStore', 'createKeyv'] as const) {
      expect(warnings(face, { ttl: 60 }, { ttl: 30, maxTtl: 300 }), face).to.deep.equal([
        "`ttl: 60` is 60 milliseconds. If seconds are meant, write '60s'; if not, '60ms' says so",
      ]);
    }
  });

  it('are none if they are text, if one of the others is longer, or if the entry never expires', async () => {
    const safe = [
      { ttl: '60s' },
      { ttl: '60ms' },
      { ttl: 60_000 },
      { ttl: 500, maxTtl: 60_000 },
      { ttl: 500, near: { ttl: 60_000 } },
      { ttl: 0 },
      {},
    ];
    for (const face of ['redisStore', 'createKeyv'] as const) expect(warnings(face, ...safe), face).to.deep.equal([]);
  });
});
