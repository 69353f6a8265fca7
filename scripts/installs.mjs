// npm run test:installs: the install lines of the README in empty projects, as npm resolves them, on every Node that is supported: compiled under
// the strictest types, and run on a real Redis. `-- --grep Nest` for some of them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strictest } from './consumers.mjs';
import { binaryOf, nodeVersions } from './nodes.mjs';
import { findServer, howToGetRedis, installPackages, must, root } from './setup.mjs';

const nest = (version) => [
  ...['common', 'core', 'platform-express'].map((name) => `@nestjs/${name}@${version}`),
  'reflect-metadata@0.2',
  'rxjs@7',
];
const keyv5 = ['keyv@5'];
/** Declarations of Nest itself import a package that it does not install. */
const nestTypes = { skipLibCheck: true };

/**
 * What a project has already, what the README tells it to install beside the package, and the program that it compiles and runs. `types: false` for
 * packages that are not made for each other's types, with or without us.
 */
const projects = [
  { title: 'NestJS 11', has: nest(11), install: ['@nestjs/cache-manager', 'cache-manager', ...keyv5], file: 'nest.mts', looser: nestTypes },
  { title: 'NestJS 12', has: nest(12), install: ['@nestjs/cache-manager', 'cache-manager', ...keyv5], file: 'nest.mts', looser: nestTypes },
  {
    title: 'NestJS 12, Keyv as npm chooses',
    has: nest(12),
    install: ['@nestjs/cache-manager', 'cache-manager'],
    file: 'nest.mts',
    types: false,
  },
  { title: 'cache-manager 7', has: [], install: ['cache-manager', ...keyv5], file: 'cache-manager.mts' },
  {
    title: 'cache-manager 7.2, Keyv as npm chooses',
    has: [],
    install: ['cache-manager@7.2', 'keyv'],
    file: 'cache-manager.mts',
    types: false,
  },
  { title: 'cache-manager 6.4', has: [], install: ['cache-manager@6.4', ...keyv5], file: 'cache-manager.mts' },
  {
    title: 'cache-manager 6.4, Keyv 6',
    has: [],
    install: ['cache-manager@6.4', 'keyv@6.1'],
    file: 'cache-manager.mts',
    types: false,
    from: 22,
  },
  { title: 'cache-manager 7.2, Keyv 4', has: [], install: ['cache-manager@7.2', 'keyv@4.5'], file: 'refused.mts' },
  {
    title: 'cache-manager 5',
    has: [],
    install: ['cache-manager@5'],
    file: 'cache-manager-5.mts',
    looser: { strictBuiltinIteratorReturn: false },
  },
  { title: 'Keyv as npm chooses', has: [], install: ['keyv'], file: 'keyv.mts' },
  { title: 'Keyv 6.1', has: [], install: ['keyv@6.1'], file: 'keyv.mts', from: 22 },
  { title: 'Keyv 5.6', has: [], install: ['keyv@5.6'], file: 'keyv.mts' },
  { title: 'Keyv 4.5', has: [], install: ['keyv@4.5'], file: 'keyv-4.cts' },
  { title: 'neither', has: ['@keyvhq/core@2'], install: [], file: 'no-keyv.mts', types: false },
];

installPackages();
const redis = findServer();
if (!redis) {
  console.error(howToGetRedis);
  process.exit(1);
}
const pattern = process.argv.includes('--grep') ? new RegExp(process.argv[process.argv.indexOf('--grep') + 1]) : /./;

const folder = mkdtempSync(join(tmpdir(), 'redis-tier-installs-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
must(process.execPath, ['scripts/build.mjs']);
must('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
const tarball = join(folder, `redis-tier-${version}.tgz`);
const port = await freePort();
const server = spawn(redis, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], { stdio: 'ignore' });
process.once('exit', () => server.kill('SIGKILL'));

const waiting = nodeVersions.flatMap((node) => {
  const binary = binaryOf(node);
  return projects
    .filter(({ title, from = 20 }) => Number(node) >= from && pattern.test(title))
    .map((project) => ({ ...project, title: `${project.title}, Node ${node}`, node: binary }));
});
let passing = 0;
let failing = 0;
// npm waits for the network most of the time, the compiler takes a core.
await Promise.all([worker(), worker()]);
console.log(`\n  ${passing} passing`);
console.log(`  ${failing} failing`);
process.exitCode = failing === 0 ? 0 : 1;
server.kill('SIGKILL');

async function worker() {
  for (let project = waiting.shift(); project; project = waiting.shift()) {
    const failure = await attempt(project);
    if (failure === undefined) passing++;
    else failing++;
    console.log(failure === undefined ? `  ✔ ${project.title}` : `  ✘ ${project.title}\n${failure}`);
  }
}

/** @returns what went wrong */
async function attempt({ title, has, install, file, types = true, looser, node }) {
  const cwd = mkdtempSync(join(folder, 'project-'));
  mkdirSync(join(cwd, 'src'));
  writeFileSync(join(cwd, 'package.json'), '{ "private": true, "type": "module" }\n');
  const compilerOptions = { ...strictest, rootDir: 'src', ...looser, ...(types ? {} : { noCheck: true }) };
  writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
  copyFileSync(join(root, 'spec/package', file), join(cwd, 'src', file));
  const npm = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  const steps = [
    ...(has.length > 0 ? [['npm', 'install', ...npm, ...has]] : []),
    ['npm', 'install', ...npm, tarball, ...install],
    ['npm', 'install', ...npm, '--save-dev', 'typescript@6.0.3', '@types/node@20'],
    [node, 'node_modules/typescript/bin/tsc'],
    [node, `out/${file.replace(/ts$/, 'js')}`],
  ];
  try {
    for (const [command, ...args] of steps) {
      // npm as that Node would run it: what it resolves depends on the version.
      const [program, before] = command === 'npm' ? [node, [npmCli()]] : [command, []];
      const { status, output } = await run(program, [...before, ...args], {
        cwd,
        env: { ...process.env, REDIS: `127.0.0.1:${port}`, TITLE: title },
      });
      if (status !== 0) return `${command} ${args.join(' ')}\n${output}`;
    }
    return undefined;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

async function run(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), 180_000);
  const [status] = await once(child, 'close');
  clearTimeout(timer);
  return { status, output };
}

/** The npm that runs this script. */
function npmCli() {
  const { npm_execpath: path } = process.env;
  if (path === undefined) throw new Error('run this by `npm run test:installs`');
  return path;
}

async function freePort() {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address();
  listening.close();
  return port;
}
