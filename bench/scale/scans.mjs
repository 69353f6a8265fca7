// What the operations on all entries cost: `keys`, `delPattern`, `reencode` and `clear`, over so many keys. Each run is a process of its own,
// whose growth is seen, and begins with a bare SCAN over the same keys, the measure of the others.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { value } from './blocks.mjs';
import { spreads } from './figures.mjs';
import { Server } from './server.mjs';

const start = 'scale:key:';

export async function measure({ quick, log }) {
  const sizes = quick ? [1000, 30_000, 100_000] : [1000, 10_000, 100_000, 1_000_000, 3_000_000];
  const rounds = 3;
  const found = sizes.map(() => []);
  const server = await Server.start();
  for (let round = 0; round < rounds; round++) {
    for (const [i, size] of sizes.entries()) {
      log(`round ${round + 1} of ${rounds}, ${size} keys`);
      await server.redis.sendCommand(['FLUSHDB', 'SYNC']);
      await server.fill(start, size, JSON.stringify(value));
      await server.fill('foreign:', 1000, '1');
      found[i].push(await run(server.port, size));
      const left = await server.redis.dbSize();
      if (left !== 1000) throw new Error(`clear() left ${left - 1000} of ${size} keys`);
    }
  }
  await server.stop();
  return {
    rounds,
    figures: sizes.map((size, i) => {
      const works = Object.keys(found[i][0]);
      return { size, ...Object.fromEntries(works.map((work) => [work, spreads(found[i].map((each) => each[work]))])) };
    }),
  };
}

async function run(port, size) {
  const child = fork(new URL('scans-run.mjs', import.meta.url), [String(port), String(size)]);
  const [[answer]] = await Promise.all([once(child, 'message'), once(child, 'exit')]);
  return answer;
}
