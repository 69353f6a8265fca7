// An application that writes more than its network takes, whatever becomes of its calls.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisStore } from '../../../src/index.js';
import { cacheOf } from '../internals.js';
import { Lag } from './lag.js';
import { MemoryWatch } from './memory-watch.js';
import { type StoreUnderLoad, timeout } from './topology.js';

export interface WriterReport {
  readonly calls: number;
  readonly settled: number;
  /** The longest that a call took, without the time in which the process did not run. */
  readonly slowest: number;
  /** The most bytes that were held at once, beyond those of before. */
  readonly held: number;
  readonly opened: boolean;
}

const size = 20_000;
const callsPerTick = 8;
const tick = 10;

const { options } = JSON.parse(process.argv[2] as string) as StoreUnderLoad;
const store = redisStore({ ...options, prefix: randomUUID(), timeout }).on('error', () => {});

/** Open loop: a call is made when it is due, however many are under way. */
async function write(milliseconds: number): Promise<WriterReport> {
  const figures = { calls: 0, settled: 0, slowest: 0 };
  const memory = new MemoryWatch();
  const lag = new Lag();
  let opened = false;
  const end = performance.now() + milliseconds;
  let checked = performance.now();
  while (performance.now() < end) {
    for (let i = 0; i < callsPerTick; i++) {
      const [began, lost] = [performance.now(), lag.total];
      void store.set(`k${figures.calls++ % 5000}`, Buffer.alloc(size, 'x')).then(() => {
        figures.settled++;
        figures.slowest = Math.max(figures.slowest, performance.now() - began - (lag.total - lost));
      });
    }
    opened ||= store.breaker !== 'closed';
    if (performance.now() - checked > 1000) {
      memory.check();
      checked = performance.now();
    }
    await sleep(tick);
  }
  memory.check();
  await sleep(timeout + 250);
  memory.stop();
  lag.stop();
  return { ...figures, held: memory.grown, opened };
}

/** Resolves when a value can be stored again: how long that took. */
async function recover(): Promise<number> {
  const start = performance.now();
  while (!(await cacheOf(store).writer.set('k', 'v'))) await sleep(5);
  return performance.now() - start;
}

process.on('message', async ({ milliseconds }: { milliseconds?: number }) => {
  process.send?.(milliseconds === undefined ? await recover() : await write(milliseconds));
});
process.on('disconnect', () => process.exit());
store.ready().then(() => process.send?.('ready'));
