// npm test: sets itself up, then runs the specs against real Redis servers that they start. Arguments go to mocha; spec files among them
// are run in place of all. `npm run test:all` is this with `--all`: every face on every kind of connection and every
// codec, and all repetitions.
import { bin, findServer, howToGetRedis, installPackages, must } from './setup.mjs';
import { sideBySide, specFiles } from './specs.mjs';
import { transpile } from './transpile.mjs';

const given = process.argv.slice(2);
const all = given.includes('--all');
const forMocha = given.filter((argument) => argument !== '--all');
const some = forMocha.some((argument) => argument.endsWith('.ts'));

installPackages();
const server = findServer();
if (!server) {
  // The specs freeze and kill servers: a REDIS_URL of somebody's is not theirs to use.
  console.error(`${howToGetRedis}\nThe specs start, freeze and kill servers of their own, so REDIS_URL is not enough for them.`);
  process.exit(1);
}
if (!some) await transpile();
must(process.execPath, [bin('mocha'), ...sideBySide, ...(some ? [] : specFiles()), ...forMocha], {
  env: { ...process.env, REDIS_SERVER: server, ...(all && { REDIS_TIER_MATRIX: 'whole' }) },
});
