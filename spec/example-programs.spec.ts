import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { compiled } from './support/compiled.js';
import { type ExampleServers, startExampleServers } from './support/example-servers.js';
import { sharedServer } from './support/hooks.js';
import { freePort } from './support/redis.js';
import { sideBySide } from './support/side-by-side.js';
import { isWholeMatrix } from './support/whole.js';

const root = join(__dirname, '..');
const names = readdirSync(join(root, 'examples'))
  .filter((name) => name.endsWith('.ts'))
  .sort();

/** Of each kind of connection one, and those that end something of their own: a near cache, a server, a lock. All with `npm run test:all`. */
const usual = [
  'cluster.ts',
  'counters.ts',
  'custom-serializer.ts',
  'express.ts',
  'keyv.ts',
  'lock.ts',
  'near-cache.ts',
  'tls.ts',
  'unix-socket.ts',
];

describe('examples as programs', () => {
  // A few at a time: many processes that start at once starve the deadlines of their stores.
  const it = sideBySide(3);
  let servers: ExampleServers;
  before(async () => {
    servers = await startExampleServers();
  });
  after(() => servers.stop());

  /** Runs the example as a person would: a process of its own. */
  async function alone(name: string, url: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
    // Some versions of Node warn of loading ES modules from CommonJS.
    const quiet = ['--disable-warning=ExperimentalWarning', '--disable-warning=DeprecationWarning'];
    const child = spawn(process.execPath, [...quiet, compiled(`examples/${name}`)], {
      cwd: root,
      env: {
        ...process.env,
        REDIS_URL: name === 'tls.ts' ? servers.secureUrl : url,
        REDIS_SOCKET: servers.free.unixSocket,
        REDIS_CLUSTER: servers.clusterUrls.join(),
        REDIS_CA: servers.files.ca,
        REDIS_CERT: servers.files.cert,
        REDIS_KEY: servers.files.key,
      },
      timeout: 38_000,
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (data) => (output.stdout += data));
    child.stderr.on('data', (data) => (output.stderr += data));
    const [code] = await once(child, 'close');
    return { code, ...output };
  }

  for (const name of isWholeMatrix ? names : usual) {
    it(`${name} runs as a program, prints what it does, and ends by itself`, async () => {
      const { code, stdout, stderr } = await alone(name, name === 'custom-serializer.ts' ? servers.free.url : sharedServer().url);
      expect(stderr).to.equal('');
      expect(code).to.equal(0);
      expect(stdout).not.to.equal('');
    });
  }

  it('counters.ts ends with a reason where Redis is not there', async () => {
    const { code, stderr } = await alone('counters.ts', `redis://127.0.0.1:${await freePort()}`);
    expect(code).to.equal(1);
    expect(stderr).to.include('ECONNREFUSED');
  });
});
