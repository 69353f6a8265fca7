// What a fresh clone needs before anything can run: the packages, and a Redis. Nothing here needs a package.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command with the terminal as its own. */
export function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
}

/** Runs a command and ends this process with its exit code where that is not 0. */
export function must(command, args, options) {
  const { status, error } = run(command, args, options);
  if (error) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** The path of a package's own command, to be run by this Node. */
export function bin(name) {
  return `${root}/node_modules/.bin/${name}`;
}

/** Installs the packages where they are missing. */
export function installPackages() {
  if (existsSync(`${root}/node_modules/.package-lock.json`)) return;
  console.log('Installing the packages (npm ci) …');
  must('npm', ['ci', '--no-audit', '--no-fund'], { shell: process.platform === 'win32' });
}

function works(binary) {
  return spawnSync(binary, ['--version'], { stdio: 'ignore' }).status === 0;
}

/**
 * The Redis server binary: REDIS_SERVER, else `redis-server` on the PATH, else Debian's package where this user may install
 * it. `undefined` where there is none to be had.
 */
export function findServer() {
  const named = process.env.REDIS_SERVER;
  if (named) return works(named) ? named : undefined;
  if (works('redis-server')) return 'redis-server';
  if (process.getuid?.() !== 0 || !works('apt-get')) return undefined;
  console.log("No redis-server here: installing Debian's package (apt-get install redis-server) …");
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env };
  run('apt-get', ['update', '-qq'], quiet);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], quiet);
  return works('redis-server') ? 'redis-server' : undefined;
}

/** What to do where no Redis was found. */
export const howToGetRedis = [
  'No Redis server was found. Any of these will do:',
  '  - install one: `apt-get install redis-server`, `brew install redis`, `dnf install redis`',
  '  - name a build of your own: REDIS_SERVER=/path/to/redis-server (or valkey-server)',
].join('\n');
