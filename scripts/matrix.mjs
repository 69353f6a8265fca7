// npm run test:matrix: the specs on every Node that is supported.
// `-- --others` leaves out the Node that runs this; `-- --short` the specs of several servers or processes, and those that wait, which take the longest and
// know nothing of Node's version, and runs the Nodes beside each other. Other arguments go to mocha.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { binaryOf, nodeVersions, ownVersion } from './nodes.mjs';
import { bin, findServer, howToGetRedis, installPackages, root } from './setup.mjs';

const given = process.argv.slice(2);
const short = given.includes('--short');
const versions = nodeVersions.filter((version) => !given.includes('--others') || version !== ownVersion);
const long = [
  'examples',
  'near/{coherence,topologies}',
  'connection/{cluster,sentinel,given,refusals}',
  'extras/*cluster',
  'extras/*fleet',
  'extras/{give-back,get-or-set-deadline}',
];
const left = short ? long.flatMap((name) => ['--ignore', `spec/${name}.spec.ts`]) : [];
const rest = given.filter((argument) => argument !== '--others' && argument !== '--short');

installPackages();
const server = findServer();
if (!server) {
  console.error(howToGetRedis);
  process.exit(1);
}

const nodes = versions.map((version) => [version, binaryOf(version)]);
let failed = 0;
if (short) failed = (await Promise.all(nodes.map(run))).filter((passed) => !passed).length;
else for (const node of nodes) if (!(await run(node))) failed++;
console.log(`\n${versions.length - failed} of ${versions.length} Node versions in order`);
process.exitCode = failed === 0 ? 0 : 1;

/** Runs the specs on a Node; what it prints comes at its end where others run beside it. */
async function run([version, node]) {
  const title = `\nNode ${version}: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`;
  if (!short) console.log(title);
  const child = spawn(node, [bin('mocha'), '--reporter', 'dot', ...left, ...rest], {
    cwd: root,
    stdio: short ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    env: { ...process.env, REDIS_SERVER: server },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data));
  const [status] = await once(child, 'close');
  if (short) console.log(title + output);
  return status === 0;
}
