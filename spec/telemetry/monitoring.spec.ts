import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { it as alone } from 'mocha';
import type { StoreOptions } from '../../src/index.js';
import { RedisCluster } from '../support/cluster.js';
import { compiled } from '../support/compiled.js';
import { sharedServer } from '../support/hooks.js';
import { sideBySide } from '../support/side-by-side.js';
import { isWholeMatrix } from '../support/whole.js';

interface Seen {
  readonly counts: Record<string, number>;
  readonly leaks: readonly string[];
  readonly statement?: string;
}

/** What a monitoring tool sees while a process calls every method. */
async function observed(places: readonly StoreOptions[]): Promise<Seen> {
  const args = [compiled('spec/support/apm-process.ts'), JSON.stringify(places)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as Seen;
}

describe('monitoring tools', () => {
  const it = sideBySide();

  function expectClean({ counts, leaks }: Seen): void {
    expect(leaks).to.deep.equal([]);
    expect(counts['redis-tier:command']).to.be.above(50);
  }

  it('see no value and no token of what node-redis sends', async () => {
    const seen = await observed([{ location: sharedServer().location }]);
    expectClean(seen);
    expect(seen.counts['node-redis:command']).to.be.above(50);
    expect(seen.counts['opentelemetry']).to.be.above(50);
    // They do see which script ran on which key.
    expect(seen.counts['scripts']).to.be.above(10);
    expect(seen.statement).to.match(/EVALSHA [0-9a-f]{40} \d apm\S+( [?\d]*)*'/);
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

  alone(`see none during the contract suites${isWholeMatrix ? '' : ', over TCP'}`, async function () {
    this.timeout(400_000);
    const mocha = join(__dirname, '..', '..', 'node_modules', 'mocha', 'bin', 'mocha.js');
    const faces = ['store', 'keyv', 'cache-manager'].map((face) => `spec/${face}.contract.spec.ts`);
    const some = isWholeMatrix ? [] : ['--grep', ': TCP'];
    const required = ['./spec/support/register.cjs', ...['apm', 'hooks', 'apm-contracts'].map((name) => `spec/support/${name}.ts`)].flatMap(
      (file) => ['--require', file],
    );
    const args = [mocha, '--no-config', '--exit', '--timeout', '40000', '--reporter', 'dot', ...required, ...some, ...faces];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
    const seen = JSON.parse(/^APM (.*)$/m.exec(stdout)?.[1] ?? '') as Seen & { marked: number; canary: number };
    const { counts, marked, leaks, canary } = seen;
    expect(leaks).to.deep.equal([]);
    expect(marked).to.be.above(100);
    expect(counts['node-redis:command']).to.be.above(1000);
    expect(counts['opentelemetry']).to.be.above(1000);
    // The same tools do see what a plain client of node-redis sends.
    expect(canary).to.be.above(0);
  });
});
