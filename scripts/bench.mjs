// npm run bench, and the other benchmarks: set themselves up, build what will be measured (users run the build, not the sources), and measure.
import { buildModules } from './modules.mjs';
import { bin, findServer, howToGetRedis, installPackages, must } from './setup.mjs';

/** Those that measure parts which no entry exports. */
const built = ['eviction', 'flame', 'floors', 'observing'].map((name) => `bench/${name}.mjs`);

const [script, ...args] = process.argv.slice(2);
installPackages();
const server = findServer();
if (!server) {
  console.error(howToGetRedis);
  process.exit(1);
}
must(process.execPath, ['scripts/build.mjs']);
if (built.includes(script)) buildModules();
must(process.execPath, [script, ...args], { env: { ...process.env, REDIS_SERVER: server } });
// The figures are looked at in reviews, and checked as all files are.
must(process.execPath, [bin('biome'), 'format', '--write', '--log-level=error', 'docs', 'bench/results']);
