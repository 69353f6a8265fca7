// One contender under one fault, in a process of its own. The parent says what happens when; it may end in a crash, which is a result.
import { setTimeout as pause } from 'node:timers/promises';
import { contenders } from './contenders.mjs';
import { Load } from './load.mjs';

const [title, target] = [process.argv[2], JSON.parse(process.argv[3])];
let load;
let unhandled = 0;
let before;

// Without a listener Node would end the process over it; counted, the rest can still be seen.
process.on('unhandledRejection', () => unhandled++);
process.on('disconnect', () => process.exit());

/** MiB, after the garbage is gone. */
function memory() {
  for (let i = 0; i < 2; i++) global.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss: rss / 2 ** 20, held: (heapUsed + external) / 2 ** 20 };
}

const grown = (now) => ({ rss: now.rss - before.rss, held: now.held - before.held });

const steps = {
  /** Makes the contender; with `wait` its first calls are over when this is. */
  async open({ wait }) {
    const cache = contenders[title][target.topology](target);
    // Whoever calls it sees the error; it shall not count as unhandled before anybody has.
    cache.catch(() => {});
    load = new Load(cache, target.shares);
    // Some fail until their client is connected. That is not what is measured here.
    for (let i = 0; wait && !(await load.probe('first')); i++) {
      if (i === 100) throw new Error(`${title} does not give back what it was given`);
      await pause(50);
    }
  },
  run: () => load.start(),
  begin({ sample }) {
    before = memory();
    load.sample(sample);
    load.start();
  },
  /** Work of the application's own: again and again, until so long after now. */
  block({ milliseconds, apart, until }) {
    const end = performance.now() + until;
    const work = () => {
      const done = performance.now() + milliseconds;
      while (performance.now() < done);
      if (performance.now() + apart < end) setTimeout(work, apart);
    };
    setTimeout(work, apart);
  },
  over() {
    const result = load.sampled();
    return { ...result, memory: grown(memory()) };
  },
  recover: ({ within }) => recovery(within),
  async end() {
    load.stop();
    await pause(500);
    return { wrong: load.wrong, stale: load.stale, unhandled, memory: grown(memory()) };
  },
};

const apart = 50;
const inARow = 20;

/**
 * Sets a value and reads it back every 50 ms, each within a second. `first` is when that first worked, `steady` when it
 * worked for the first of twenty in a row, in milliseconds since now; `null` where it did not happen in time.
 */
async function recovery(within) {
  const start = performance.now();
  const since = () => performance.now() - start;
  const successes = [];
  let first = null;
  for (let i = 0; since() < within + apart * inARow * 2; i++) {
    const started = since();
    load.probe(i).then(
      (right) => {
        if (!right || since() - started > 1000) return;
        successes[i] = since();
        first ??= successes[i];
      },
      () => {},
    );
    await pause(apart);
    const run = successes.findIndex((_, j) => Object.keys(successes.slice(j, j + inARow)).length === inARow);
    if (run !== -1) return { first, steady: successes[run] };
    if (since() > within && first === null) break;
  }
  return { first: first !== null && first <= within ? first : null, steady: null };
}

process.on('message', async ({ step, ...parameters }) => {
  try {
    process.send({ step, result: (await steps[step](parameters)) ?? null });
  } catch (error) {
    process.send({ step, error: String(error?.message ?? error) });
  }
});
process.send({ step: 'ready', result: null });
