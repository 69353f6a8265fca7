// npm test: sets itself up, then runs the specs against real Redis servers that they start. Arguments go to mocha.
import { bin, findServer, howToGetRedis, installPackages, must } from './setup.mjs';

installPackages();
const server = findServer();
if (!server) {
  // The specs freeze and kill servers: a REDIS_URL of somebody's is not theirs to use.
  console.error(`${howToGetRedis}\nThe specs start, freeze and kill servers of their own, so REDIS_URL is not enough for them.`);
  process.exit(1);
}
must(process.execPath, [bin('mocha'), ...process.argv.slice(2)], { env: { ...process.env, REDIS_SERVER: server } });
