// npm run bench: sets itself up, builds what will be measured (users run the build, not the sources), and measures.
import { findServer, howToGetRedis, installPackages, must } from './setup.mjs';

installPackages();
const server = findServer();
if (!server) {
  console.error(howToGetRedis);
  process.exit(1);
}
must(process.execPath, ['scripts/build.mjs']);
must(process.execPath, ['bench/run.mjs', ...process.argv.slice(2)], { env: { ...process.env, REDIS_SERVER: server } });
