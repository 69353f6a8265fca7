// npm run check: everything but the specs. Format and lint, types, both builds, and what the package looks like from outside.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryAsConsumer } from './consumers.mjs';
import { checkPackage } from './package.mjs';
import { bin, installPackages, must } from './setup.mjs';

installPackages();
const node = (tool, ...args) => {
  console.log(`\n> ${tool} ${args.join(' ')}`);
  must(process.execPath, [bin(tool), ...args]);
};

node('biome', 'check', '--error-on-warnings', '.');
node('tsc', '-p', 'tsconfig.json');
must(process.execPath, ['scripts/build.mjs']);

const folder = mkdtempSync(join(tmpdir(), 'redis-tier-pack-'));
must('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
const { version } = (await import('../package.json', { with: { type: 'json' } })).default;
const tarball = join(folder, `redis-tier-${version}.tgz`);
await checkPackage(tarball);
node('publint', 'run', tarball, '--strict');
node('attw', tarball);
tryAsConsumer(tarball);
rmSync(folder, { recursive: true, force: true });
