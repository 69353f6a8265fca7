// One process of the coherence spec: reads and writes at random through a store with a near tier, and writes down what it saw.
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { RoundRobinPool, redisStore, type StoreOptions } from '../../src/index.js';
import { random } from './random.js';

/** What happened in the process, in its order. `result`: of a read `undefined` where there was nothing, of a write whether it was acknowledged. */
export type Observation =
  | { readonly at: 'start'; readonly id: number; readonly kind: Kind; readonly key: number; readonly time: number; readonly value?: string }
  | { readonly at: 'end'; readonly id: number; readonly ok: boolean; readonly result?: string | boolean; readonly time: number };

export type Kind = 'get' | 'mget' | 'has' | 'take' | 'set' | 'del';

/** What the parent hands over. */
export interface Orders {
  readonly location: string;
  readonly number: number;
  readonly seed: number;
  readonly keys: number;
  readonly milliseconds: number;
  readonly options: StoreOptions;
  readonly pooled: boolean;
}

/** The time that Redis shows in MONITOR, in milliseconds. */
const now = (): number => performance.timeOrigin + performance.now();

async function run({ location, number, seed, keys, milliseconds, options, pooled }: Orders): Promise<void> {
  const pool = pooled ? { pool: { class: RoundRobinPool, size: 2 } } : {};
  const store = redisStore({ location, prefix: 'c', onFailure: 'throw', ...options, ...pool });
  const next = random(seed);
  const pick = (below: number): number => Math.floor(next() * below);
  const log: Observation[] = [];
  let ids = 0;
  let written = 0;

  async function observe(kind: Kind, key: number, work: () => Promise<unknown>, value?: string): Promise<void> {
    const id = ids++;
    log.push({ at: 'start', id, kind, key, time: now(), ...(value === undefined ? {} : { value }) });
    try {
      const result = (await work()) as string | boolean | undefined;
      log.push({ at: 'end', id, ok: true, time: now(), ...(result === undefined ? {} : { result }) });
    } catch {
      log.push({ at: 'end', id, ok: false, time: now() });
    }
  }

  async function step(): Promise<void> {
    // Squared: some keys are much hotter than others.
    const key = Math.floor(next() ** 2 * keys);
    const name = `k${key}`;
    const dice = pick(100);
    if (dice < 70) await observe('get', key, () => store.get(name));
    else if (dice < 80) await observe('mget', key, async () => (await store.mget(name, `k${pick(keys)}`))[0]);
    else if (dice < 86) await observe('has', key, () => store.has(name));
    else if (dice < 88) await observe('take', key, () => store.getAndDelete(name));
    else if (dice < 92) await observe('del', key, () => store.del(name));
    else {
      const value = `v-${number}-${written++}`;
      const ttl = pick(2) === 0 ? 20 + pick(180) : 0;
      if (dice < 96) await observe('set', key, () => store.set(name, value, ttl), value);
      else await observe('set', key, () => store.mset({ [name]: value }, ttl), value);
    }
  }

  const end = performance.now() + milliseconds;
  async function walk(): Promise<void> {
    while (performance.now() < end) {
      await step();
      // Several steps in one turn now and then, so that reads and writes meet in one pipeline.
      if (pick(4) !== 0) await turn();
      if (pick(10) === 0) await sleep(pick(10));
    }
  }
  /** The process stands still for longer than it may trust what it keeps. */
  async function stall(): Promise<void> {
    await sleep(milliseconds / 2 + pick(milliseconds / 4));
    if (number % 2 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200);
  }
  await Promise.all([stall(), ...Array.from({ length: 6 }, walk)]);
  process.send?.({ log });

  // The parent has made it quiet: what is read now, twice, must be what Redis holds.
  process.once('message', async () => {
    const names = Array.from({ length: keys }, (_, i) => `k${i}`);
    const read = async (): Promise<unknown[]> => Promise.all(names.map((name) => store.get(name)));
    const [first, second] = [await read(), await read()];
    await store.disconnect();
    process.send?.({ quiet: [first, second].map((values) => values.map((value) => value ?? null)) });
    process.disconnect();
  });
}

if (require.main === module) {
  process.once('message', (orders: Orders) => void run(orders));
  process.send?.({ up: true });
}
