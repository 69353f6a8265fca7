import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { redisStore } from '../../src/index.js';
import { KeyvRedisStore } from '../../src/keyv.js';
import { oneServer } from '../support/chaos/one-server.js';
import { collectGarbage, leftOver, resources, settledResources } from '../support/chaos/resources.js';
import { run } from '../support/chaos/run.js';
import { slopeOf } from '../support/chaos/slope.js';
import { cacheOf } from '../support/internals.js';
import { freePort, RedisServer } from '../support/redis.js';
import { minutesOr, randomFor, seed } from './options.js';

const minutes = minutesOr(1);
/** Calls a second while Redis is absent. */
const rate = 5000;
/** MiB a minute that resident memory may grow by, above what chance explains (twice the standard error). 5000 calls/s that kept 4 bytes each would be more. */
const bound = 1;
const mib = 2 ** 20;

/** Samples of the memory, with the minute they are of. The first quarter is not counted: code is compiled, pools fill. */
class Memory {
  readonly #start = performance.now();
  readonly #points: { rss: [number, number][]; heap: [number, number][] } = { rss: [], heap: [] };

  get minutes(): number {
    return (performance.now() - this.#start) / 60_000;
  }

  sample(): void {
    collectGarbage();
    const { rss, heapUsed } = process.memoryUsage();
    this.#points.rss.push([this.minutes, rss / mib]);
    this.#points.heap.push([this.minutes, heapUsed / mib]);
  }

  /** Fails where it grew. @returns the slope of resident memory, in words */
  check(): string {
    const counted = (points: [number, number][]) => points.slice(Math.floor(points.length / 4));
    const [rss, heap] = [slopeOf(counted(this.#points.rss)), slopeOf(counted(this.#points.heap))];
    const figure = ({ slope, error }: typeof rss) => `${slope.toFixed(3)} ± ${(2 * error).toFixed(3)} MiB/min`;
    const last = this.#points.rss.at(-1)?.[1] ?? 0;
    console.log(
      `      ${this.minutes.toFixed(1)} min; resident ${last.toFixed(0)} MiB, slope ${figure(rss)}; heap in use, slope ${figure(heap)}`,
    );
    expect(rss.slope - 2 * rss.error, 'slope of resident memory, MiB/min, less twice its error').to.be.below(bound);
    return `${rss.slope.toFixed(2)} ± ${(2 * rss.error).toFixed(2)}`;
  }
}

/** A row of the table in docs/reliability.md. */
function row(title: string, calls: number, unsettled: number, slope: string, back: number): void {
  const figures = [title, calls.toLocaleString('en'), unsettled, slope, `${Math.round(back)} ms`];
  console.log(`      | ${figures.join(' | ')} |`);
}

describe(`soak: ${minutes} min each, seed ${seed}`, () => {
  it(`keeps memory flat while Redis is absent, at ${rate} calls/s, and works when it comes`, async () => {
    const start = await resources();
    const port = await freePort();
    const location = `127.0.0.1:${port}`;
    const store = redisStore({ location });
    const direct = redisStore({ location, parser: 'auto' });
    const keyv = new KeyvRedisStore({ location });
    const calls: (() => Promise<unknown>)[] = [
      () => store.get('k'),
      () => store.mget('k', 'l'),
      () => store.set('k', 'v', 1000),
      () => store.del('k').catch(() => {}),
      () => store.getOrSet('k', () => 'made'),
      () => direct.get('k'),
      () => direct.set('k', 'v'),
      () => keyv.get('k'),
      () => keyv.set('k', 'v'),
      () => keyv.has('k'),
    ];
    const memory = new Memory();
    let asked = 0;
    let settled = 0;
    let sampled = 0;
    while (memory.minutes < minutes) {
      const due = Math.floor(memory.minutes * 60 * rate);
      while (asked < due) {
        void calls[asked++ % calls.length]?.().then(() => settled++);
      }
      if (memory.minutes * 60 > sampled) {
        memory.sample();
        sampled++;
      }
      await sleep(5);
    }
    await sleep(1250);
    expect(settled).to.equal(asked);
    expect(asked).to.be.above(0.98 * minutes * 60 * rate);
    const slope = memory.check();

    const server = await RedisServer.start([], port);
    const back = performance.now();
    while (!((await cacheOf(store).writer.set('k', 'v')) && (await cacheOf(direct).writer.set('k', 'v')) && (await keyv.set('k', 'v'))))
      await sleep(5);
    const took = performance.now() - back;
    row('without Redis', asked, asked - settled, slope, took);
    expect(took).to.be.below(2000);
    await Promise.all([store, direct, keyv].map((each) => each.disconnect()));
    await server.stop();
    expect(leftOver(start, await settledResources(start))).to.deep.equal([]);
  });

  it('keeps memory flat and every promise while one fault follows another', async () => {
    const random = randomFor('soak');
    const topology = await oneServer.start(random);
    const memory = new Memory();
    const sum = { calls: 0, recovered: 0 };
    try {
      while (memory.minutes < minutes) {
        const steps = Array.from({ length: 5 }, () => ({ fault: random.pick(oneServer.faults), length: random.integer(200, 2000) }));
        const { violations, calls, recovered } = await run(topology, steps, random, () => memory.sample());
        sum.calls += calls;
        // One that does not settle at all is a violation.
        expect(violations).to.deep.equal([]);
        sum.recovered = Math.max(sum.recovered, recovered);
      }
    } finally {
      await topology.stop();
    }
    row('one fault after another', sum.calls, 0, memory.check(), sum.recovered);
  });
});
