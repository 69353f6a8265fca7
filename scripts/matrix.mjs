// npm run test:matrix: the specs on every Node that is supported.
// `-- --others` leaves out the Node that runs this; `-- --short` the slow specs, which know nothing of Node's version. Other arguments go
// to mocha.
import { spawnSync } from 'node:child_process';
import { binaryOf, nodeVersions, ownVersion } from './nodes.mjs';
import { bin, findServer, howToGetRedis, installPackages, run } from './setup.mjs';
import { sideBySide, slow, specFiles } from './specs.mjs';

const given = process.argv.slice(2);
const versions = nodeVersions.filter((version) => !given.includes('--others') || version !== ownVersion);
const files = specFiles().filter((file) => !given.includes('--short') || !slow.includes(file));
const forMocha = given.filter((argument) => argument !== '--others' && argument !== '--short');

installPackages();
const server = findServer();
if (!server) {
  console.error(howToGetRedis);
  process.exit(1);
}

let passed = 0;
for (const version of versions) {
  const node = binaryOf(version);
  console.log(`\nNode ${version}: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
  const args = [bin('mocha'), '--reporter', 'dot', ...sideBySide, ...files, ...forMocha];
  if (run(node, args, { env: { ...process.env, REDIS_SERVER: server } }).status === 0) passed++;
}
console.log(`\n${passed} of ${versions.length} Node versions in order`);
process.exitCode = passed === versions.length ? 0 : 1;
