// npm run demo: sets itself up, finds a Redis (REDIS_URL, else a server of its own, else the engine in this process) and shows the main job.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServer, howToGetRedis, installPackages } from './setup.mjs';

installPackages();
const require = createRequire(import.meta.url);
require('../spec/support/register.cjs');
const { main } = require('../examples/demo.ts');

const redis = await findRedis();
try {
  await main(redis);
} finally {
  redis.stop?.();
}

async function findRedis() {
  const url = process.env.REDIS_URL;
  if (url) return { location: url, about: `${url.replace(/\/\/.*@/, '//***@')} (REDIS_URL)`, watch: false };
  const binary = findServer();
  if (binary) return startServer(binary);
  console.log(`${howToGetRedis}\n  - or point REDIS_URL at one that is running\nUntil then, this is the engine inside the process:`);
  return { location: 'memory:', about: 'memory:, the engine inside the process, because no Redis was found', watch: false };
}

async function startServer(binary) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'redis-tier-demo-'));
  const child = spawn(binary, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], { stdio: 'ignore' });
  const stop = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', stop);
  for (let i = 0; !(await accepts(port)); i++) {
    if (i === 200 || child.exitCode !== null) throw new Error(`${binary} did not start`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.split(' sha=')[0].trim();
  return { location: `redis://127.0.0.1:${port}`, about: `a real Redis, started for this: ${version}`, watch: true, stop };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
