// Whether the near cache behaves as it does on paper: real processes over a real Redis with a small tracking table and a small `near.max`,
// the simulation and the formulas, for the same load and as long. And the simulation against the formulas for more processes than a machine runs.
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../../dist/esm/index.js';
import { block, nameOf, value } from './blocks.mjs';
import { nearModel } from './near-model.mjs';
import { startAll } from './processes.mjs';
import { Server } from './server.mjs';
import { seeded, simulate } from './simulation.mjs';
import { popularity, zipf } from './zipf.mjs';

const exponent = 0.99;

export async function measure({ quick, log }) {
  const [processes, keys, seconds] = quick ? [2, 1000, 3] : [4, 2000, 6];
  const small = keys / 4;
  const unbounded = { max: 10 * keys, tableMax: 1_000_000 };
  const settings = [unbounded, { ...unbounded, tableMax: small }, { ...unbounded, max: keys / 10 }, { max: keys / 10, tableMax: small }];
  const figures = [];
  for (const setting of settings) {
    log(`near.max ${setting.max}, a table of ${setting.tableMax} keys`);
    const load = { processes, keys, ...setting };
    const real = await run({ ...load, seconds });
    figures.push({
      ...load,
      writeShare: real.writeShare,
      real,
      ...onPaper({ ...load, writeShare: real.writeShare, reads: 4 * real.reads }),
    });
  }
  const many = quick ? [[50, 5000]] : [[100, 10_000]];
  for (const [count, all] of many) {
    for (const tableMax of [1_000_000, all / 10]) {
      log(`simulating ${count} processes, a table of ${tableMax} keys`);
      const load = { processes: count, keys: all, max: all / 20, tableMax, writeShare: 0.02 };
      figures.push({ ...load, ...onPaper({ ...load, reads: 2_000_000 }) });
    }
  }
  return { exponent, figures };
}

function onPaper({ processes, keys, max, tableMax, writeShare, reads }) {
  const simulated = simulate({ keys, exponent, processes, writeShare, max, tableMax, reads, random: seeded(7) });
  const gets = 1000;
  const model = nearModel({ groups: popularity(keys, exponent), processes, gets, writes: gets * writeShare, max, tableMax });
  return { simulated, model: { ...model, pushes: model.pushes / gets } };
}

async function run({ processes, keys, max, tableMax, seconds }) {
  const server = await Server.start('--tracking-table-max-keys', String(tableMax));
  const writer = redisStore({ location: server.location, prefix: 'scale' });
  const write = (i) => writer.set(nameOf(i), value);
  await block(
    write,
    Array.from({ length: keys }, (_, i) => i),
  );
  const readers = await startAll('reader.mjs', processes, { location: server.location, near: { max } });
  const phase = async (time) => {
    const [pick, samples] = [zipf(keys, exponent), []];
    const reading = readers.map((each) => each.ask('live', { keys, each: 20, every: 10, seconds: time, exponent }));
    const end = performance.now() + time * 1000;
    let writes = 0;
    for (; performance.now() < end; await sleep(10)) {
      for (let i = 0; i < 4; i++, writes++) await write(pick());
      if (writes % 20 === 0) samples.push(await server.info('stats'));
    }
    const answers = await Promise.all(reading);
    const sum = (of) => answers.reduce((all, each) => all + of(each), 0);
    const reads = sum(({ all }) => all);
    const mean = (figure) => samples.reduce((all, each) => all + each[figure], 0) / samples.length;
    return {
      reads,
      writeShare: writes / reads,
      hits: sum(({ nearHits }) => nearHits) / reads,
      pushes: sum(({ pushes }) => pushes) / reads,
      trackedKeys: mean('tracking_total_keys'),
      trackedItems: mean('tracking_total_items'),
    };
  };
  // Until the caches are as full as they get.
  await phase(seconds);
  const found = await phase(seconds / 2);
  await Promise.all(readers.map((each) => each.close()));
  await writer.disconnect();
  await server.stop();
  return found;
}
