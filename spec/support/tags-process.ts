// One process of many that write, load, invalidate and read what is tagged, and write down when what happened.
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { redisStore, type StoreOptions } from '../../src/index.js';
import { random } from './random.js';

/** By the monotonic clock of the machine, which all processes share, in milliseconds. */
export type Moment = number;

/** What happened. `from` is before the call, `to` after its answer. */
export type Event =
  /** A value was stored. For a `load` `from` is when its function began, before which its tags were looked at; `asked` is when the call did. */
  | {
      readonly kind: 'write';
      readonly key: number;
      readonly value: string;
      readonly from: Moment;
      readonly to: Moment;
      readonly asked: Moment;
    }
  | { readonly kind: 'invalidate'; readonly tags: readonly string[]; readonly from: Moment; readonly to: Moment }
  | {
      readonly kind: 'read';
      readonly how: string;
      readonly key: number;
      readonly value: string | undefined;
      readonly from: Moment;
      readonly to: Moment;
    };

export interface Task {
  readonly number: number;
  readonly seed: number;
  /** How many calls it makes. */
  readonly acts: number;
  readonly options: StoreOptions;
}

export interface Report {
  readonly events: readonly Event[];
  readonly errors: readonly string[];
}

export const tags = ['t0', 't1', 't2'];
export const keyCount = 12;
/** Each key is always written with the same tags, one of them at least. */
export const tagsOf = (key: number): string[] => tags.filter((_, i) => ((key % 7) + 1) & (1 << i));

export function now(): Moment {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Takes its time now and then, so that calls on one key have to wait for each other. */
const slow = (next: () => number) => ({
  name: 'slow',
  stringify: async (value: unknown) => {
    if (next() < 0.3) await turn();
    return JSON.stringify(value);
  },
  parse: (text: string) => JSON.parse(text),
});

async function run({ number, seed, acts, options }: Task): Promise<void> {
  const next = random(seed);
  const store = redisStore({ onFailure: 'throw', ...options, ...(number % 2 === 1 ? { serializer: slow(random(seed)) } : {}) });
  const pick = (below: number): number => Math.floor(next() * below);
  const events: Event[] = [];
  const errors: string[] = [];
  let values = 0;
  const fresh = (): string => `${number}-${values++}`;
  const pause = (): Promise<void> => (pick(2) === 0 ? turn() : sleep(pick(3)));
  const name = (key: number): string => `k${key}`;

  async function act(): Promise<void> {
    const key = pick(keyCount);
    const from = now();
    switch (pick(24)) {
      case 0: {
        const chosen = tags.filter(() => pick(2) === 0);
        await store.invalidateTags(chosen);
        events.push({ kind: 'invalidate', tags: chosen, from, to: now() });
        return;
      }
      case 1: {
        // The generation of the store is the tag of all.
        if (!options.lazyClear || pick(6) !== 0) return;
        await store.clear({ lazy: true });
        events.push({ kind: 'invalidate', tags: [''], from, to: now() });
        return;
      }
      case 2:
      case 3: {
        const value = fresh();
        await store.set(name(key), value, { tags: tagsOf(key), ttl: 60_000 });
        events.push({ kind: 'write', key, value, from, to: now(), asked: from });
        return;
      }
      case 4: {
        // Those that have the same tags.
        const keys = Array.from({ length: keyCount }, (_, i) => i).filter((each) => each % 7 === key % 7);
        const entries = keys.map((each) => ({ key: each, value: fresh() }));
        await store.mset(Object.fromEntries(entries.map((each) => [name(each.key), each.value])), { tags: tagsOf(key) });
        const to = now();
        for (const each of entries) events.push({ kind: 'write', ...each, from, to, asked: from });
        return;
      }
      case 5:
      case 6:
      case 7: {
        const load = async (): Promise<string> => {
          const began = now();
          const value = fresh();
          // Stored at the latest when all is over; what counts is when the function began.
          events.push({ kind: 'write', key, value, from: began, to: began, asked: from });
          await pause();
          return value;
        };
        await store.getOrSet(name(key), load, { tags: tagsOf(key), ttl: 60_000 });
        return;
      }
      case 8: {
        const keys = Array.from({ length: keyCount }, (_, i) => i);
        const found = (await store.mget(...keys.map(name))) as (string | undefined)[];
        const to = now();
        for (const each of keys) events.push({ kind: 'read', how: 'mget', key: each, value: found[each], from, to });
        return;
      }
      default: {
        const value = await store.get<string>(name(key));
        events.push({ kind: 'read', how: 'get', key, value, from, to: now() });
      }
    }
  }

  await store.ready();
  let left = acts;
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      while (left-- > 0) {
        await act().catch((error) => errors.push(String(error)));
        if (pick(3) === 0) await pause();
      }
    }),
  );
  await store.disconnect();
  process.send?.({ events, errors } satisfies Report);
}

if (require.main === module) {
  process.on('message', (task: Task) => void run(task));
  process.once('disconnect', () => process.exit());
  process.send?.('ready');
}
