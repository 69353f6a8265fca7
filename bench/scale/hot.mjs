// One key that all processes read, 50 000 times a second together, and that changes ten times a second.
import { redisStore } from '../../dist/esm/index.js';
import { value } from './blocks.mjs';
import { spreads } from './figures.mjs';
import { startAll } from './processes.mjs';
import { Server } from './server.mjs';

const asked = 50_000;
const names = ['bare', 'store', 'near', 'freeze'];

export async function measure({ quick, log }) {
  const [rounds, processes, seconds] = quick ? [3, 2, 0.7] : [3, 4, 2];
  const server = await Server.start();
  const writer = redisStore({ location: server.location, prefix: 'scale' });
  let number = 0;
  const write = () => writer.set('key:hot', { ...value, number: ++number });
  await write();
  const workers = await startAll('hot-worker.mjs', processes, { location: server.location, port: server.port });
  const timer = setInterval(() => write().catch(() => {}), 100);
  const found = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const i of names.keys()) {
      const name = names[(i + round + 1) % names.length];
      const before = { ...(await server.info('stats')), cpu: await server.cpu(), at: performance.now() };
      const answers = await Promise.all(workers.map((each) => each.ask('run', { name, rate: asked / processes, seconds })));
      const after = { ...(await server.info('stats')), cpu: await server.cpu(), at: performance.now() };
      if (round < 0) continue;
      const perSecond = (figure) => ((after[figure] - before[figure]) * 1000) / (after.at - before.at);
      const sum = (figure) => answers.reduce((all, each) => all + each[figure], 0);
      if (sum('failed') > 0) throw new Error(`${sum('failed')} reads of ${name} failed`);
      found[name].push({
        rate: sum('rate'),
        commands: perSecond('total_commands_processed'),
        server: perSecond('cpu') / 1e6,
        client: sum('cpu'),
        bytesOut: perSecond('total_net_output_bytes'),
        p50: Math.max(...answers.map(({ p50 }) => p50)),
        p99: Math.max(...answers.map(({ p99 }) => p99)),
      });
    }
  }
  clearInterval(timer);
  await Promise.all(workers.map((each) => each.close()));
  await writer.disconnect();
  await server.stop();
  return { rounds, processes, seconds, asked, figures: names.map((name) => ({ name, ...spreads(found[name]) })) };
}
