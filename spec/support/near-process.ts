// One process of the coherence spec: reads and writes at random through a store with a near tier, and writes down what it saw.
import { once } from 'node:events';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { RoundRobinPool, redisStore, type StoreOptions } from '../../src/index.js';
import { random } from './random.js';
import { wallClock as now } from './wall-clock.js';

/** A call begins. */
export interface Start {
  readonly at: 'start';
  readonly id: number;
  readonly kind: Kind;
  /** The number of the key; of `invalidate` that of the tag. */
  readonly key: number;
  readonly time: number;
  /** For how long the process has not looked at what has come from the network. */
  readonly lag: number;
  /** What is written. */
  readonly value?: string;
}

/** What happened in the process, in its order. `result`: of a read `undefined` where there was nothing. */
export type Observation =
  | Start
  | { readonly at: 'end'; readonly id: number; readonly ok: boolean; readonly result?: string | boolean; readonly time: number };

export type Kind = 'get' | 'mget' | 'has' | 'take' | 'set' | 'del' | 'invalidate';

/** What the parent hands over. */
export interface Orders {
  readonly number: number;
  readonly seed: number;
  readonly keys: number;
  readonly milliseconds: number;
  readonly options: StoreOptions;
  readonly pooled: boolean;
}

/** What is read once it is quiet, by kind of read: a value or `null`, and of `has` whether it is there. */
export type Quiet = Record<'get' | 'again' | 'mget', (string | null)[]> & { readonly has: (boolean | null)[] };

/** The tag of a key that is always written with one. The others never are. */
export const tagOf = (key: number): number | undefined => (key % 5 === 4 ? key % 3 : undefined);

async function run({ number, seed, keys, milliseconds, options, pooled }: Orders): Promise<void> {
  const pool = pooled ? { pool: { class: RoundRobinPool, size: 2 } } : {};
  const store = redisStore({ prefix: 'c', onFailure: 'throw', ...options, ...pool });
  const next = random(seed);
  const pick = (below: number): number => Math.floor(next() * below);
  const log: Observation[] = [];
  let ids = 0;
  let written = 0;
  let polled = now();

  /** Lets the loop look at the network. Nothing but this says that it has: timers that are late run before it does. */
  async function look(): Promise<void> {
    await turn();
    polled = now();
  }

  async function observe(kind: Kind, on: readonly number[], work: () => Promise<unknown[]>, values: readonly string[] = []): Promise<void> {
    const first = ids;
    ids += on.length;
    const time = now();
    for (const [i, key] of on.entries()) {
      const value = values[i];
      log.push({ at: 'start', id: first + i, kind, key, time, lag: time - polled, ...(value === undefined ? {} : { value }) });
    }
    const results = await work().catch(() => undefined);
    for (const [i] of on.entries()) {
      const result = results?.[i] as string | boolean | undefined;
      log.push({ at: 'end', id: first + i, ok: results !== undefined, time: now(), ...(result === undefined ? {} : { result }) });
    }
  }
  const one = async (call: Promise<unknown>): Promise<unknown[]> => [await call];

  // Squared: some keys are much hotter than others.
  const pickKey = (): number => Math.floor(next() ** 2 * keys);
  const fresh = (): string => `v-${number}-${written++}`;

  async function step(): Promise<void> {
    const key = pickKey();
    const name = `k${key}`;
    const tag = tagOf(key);
    const how = { ttl: pick(2) === 0 ? 20 + pick(180) : 0, ...(tag === undefined ? {} : { tags: [`t${tag}`] }) };
    const dice = pick(100);
    if (dice < 60) await observe('get', [key], () => one(store.get(name)));
    else if (dice < 74) {
      const both = [key, pickKey()];
      await observe('mget', both, () => store.mget(...both.map((each) => `k${each}`)));
    } else if (dice < 82) {
      // EXISTS says nothing of tags, unless an option has them looked at.
      if (tag === undefined || options.tags === true) await observe('has', [key], () => one(store.has(name)));
      else await observe('get', [key], () => one(store.get(name)));
    } else if (dice < 84) await observe('take', [key], () => one(store.getAndDelete(name)));
    else if (dice < 88) await observe('del', [key], () => one(store.del(name)));
    else if (dice < 89) {
      const chosen = pick(3);
      await observe('invalidate', [chosen], () => one(store.invalidateTags([`t${chosen}`])));
    } else if (dice < 95) {
      const value = fresh();
      await observe('set', [key], () => one(store.set(name, value, how)), [value]);
    } else {
      const other = pickKey();
      const both = other !== key && tagOf(other) === tag ? [key, other] : [key];
      const values = both.map(fresh);
      await observe('set', both, () => one(store.mset(Object.fromEntries(both.map((each, i) => [`k${each}`, values[i]])), how)), values);
    }
  }

  // On a busy machine that takes as long as all the rest.
  while (store.stats().near.misses === 0) {
    await store.get('nothing').catch(() => {});
    await sleep(5);
  }
  process.send?.({ tracking: true });
  await once(process, 'message');
  const end = performance.now() + milliseconds;
  async function walk(): Promise<void> {
    while (performance.now() < end) {
      await step();
      // Several steps in one turn now and then, so that reads and writes meet in one pipeline.
      if (pick(4) !== 0) await look();
      if (pick(10) === 0) await sleep(pick(10)).then(look);
    }
  }
  /** The process stands still for longer than it may trust what it keeps. */
  async function stall(): Promise<void> {
    await sleep(milliseconds / 2 + pick(milliseconds / 4));
    if (number % 2 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200);
  }
  await Promise.all([stall(), ...Array.from({ length: 6 }, walk)]);
  process.send?.({ log, hits: store.stats().near.hits });

  const answers = (): Promise<boolean> =>
    store.mget(...Array.from({ length: keys }, (_, i) => `k${i}`)).then(
      () => true,
      () => false,
    );
  // The parent has made it quiet: what is read now, twice, must be what Redis holds.
  process.once('message', async () => {
    // The network may have come back only just now.
    while (!(await answers())) await sleep(20);
    const numbers = Array.from({ length: keys }, (_, i) => i);
    const read = (): Promise<(string | null)[]> => Promise.all(numbers.map(async (key) => (await store.get<string>(`k${key}`)) ?? null));
    const quiet: Quiet = {
      get: await read(),
      again: await read(),
      mget: ((await store.mget(...numbers.map((key) => `k${key}`))) as (string | undefined)[]).map((value) => value ?? null),
      has: await Promise.all(numbers.map((key) => (tagOf(key) === undefined || options.tags === true ? store.has(`k${key}`) : null))),
    };
    await store.disconnect();
    process.send?.({ quiet });
    process.disconnect();
  });
}

if (require.main === module) {
  process.once('message', (orders: Orders) => void run(orders));
  // The parent process is gone.
  process.once('disconnect', () => setTimeout(() => process.exit(), 5000).unref());
  process.send?.({ up: true });
}
