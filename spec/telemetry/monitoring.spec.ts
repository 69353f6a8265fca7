import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { StoreOptions } from '../../src/index.js';
import { RedisCluster } from '../support/cluster.js';
import { sharedServer } from '../support/hooks.js';

const program = join(__dirname, '..', 'support', 'apm-process.ts');

interface Seen {
  readonly counts: Record<'commands' | 'own' | 'spans' | 'scripts', number>;
  readonly ids: number;
  readonly leaks: readonly string[];
  readonly leaking: number;
  readonly statement?: string;
}

/** What a monitoring tool sees while a process calls every method. */
async function observed(places: readonly StoreOptions[]): Promise<Seen> {
  const args = ['--require', 'ts-node/register/transpile-only', program, JSON.stringify(places)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as Seen;
}

describe('monitoring tools', () => {
  function expectClean({ counts, ids, leaks }: Seen): void {
    expect(leaks).to.deep.equal([]);
    expect(counts.own).to.be.above(50);
    expect(ids).to.be.above(5);
  }

  it('see no value and no token of what node-redis sends', async () => {
    const seen = await observed([{ location: sharedServer().location }]);
    expectClean(seen);
    expect(seen.counts.commands).to.be.above(50);
    expect(seen.counts.spans).to.be.above(50);
    // They do see which script ran on which key.
    expect(seen.counts.scripts).to.be.above(10);
    expect(seen.statement).to.match(/EVALSHA [0-9a-f]{40} \d apm\S+ \?( \?)*'/);
  });

  it('see none over a direct connection, with a near tier, and in this process', async () => {
    const { location } = sharedServer();
    expectClean(await observed([{ location, parser: 'auto' }, { location, near: {} }, { location: 'memory:' }]));
  });

  it('see none of what goes to a cluster', async () => {
    const cluster = await RedisCluster.start();
    try {
      expectClean(await observed([{ cluster: { rootNodes: cluster.rootNodes } }]));
    } finally {
      await cluster.stop();
    }
  });
});
