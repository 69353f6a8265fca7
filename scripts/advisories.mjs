// npm run check:advisories: the packages of the lock file that users install, against the advisories that the registry knows.
import { spawnSync } from 'node:child_process';

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8' });
let answer;
try {
  answer = JSON.parse(stdout);
} catch {
  answer = {};
}
const counts = answer.metadata?.vulnerabilities;
if (counts === undefined) {
  console.log(
    `not checked: the registry answers no questions about advisories (${answer.message ?? answer.error?.summary ?? 'no answer'})`,
  );
} else if (counts.total === 0) {
  console.log(`no known advisories for ${answer.metadata.dependencies?.prod ?? 'the'} packages`);
} else {
  for (const { name, severity, range } of Object.values(answer.vulnerabilities)) console.error(`${severity}: ${name} ${range}`);
  process.exit(1);
}
