// A process with a store whose methods the parent calls, one after the other.
import './moved-clock.js';
import { performance } from 'node:perf_hooks';
import { redisStore, type StoreOptions } from '../../src/index.js';

/** What the parent asks for: a call of a method, or what the clocks say. */
export type Ask = { readonly id: number } & ({ readonly call: string; readonly args: unknown[] } | { readonly clocks: true });

export interface Told {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** What every clock says that a library could read, in milliseconds. */
export type Clocks = readonly [date: number, made: number, performance: number, global: number, hrtime: number, bigint: number];

function clocks(): Clocks {
  const [seconds, nanoseconds] = process.hrtime();
  const now = [Date.now(), Date.parse(new Date().toISOString()), performance.now(), globalThis.performance.now()] as const;
  return [...now, seconds * 1000 + nanoseconds / 1e6, Number(process.hrtime.bigint() / 1_000_000n)];
}

if (require.main === module) {
  const store = redisStore(JSON.parse(process.argv[2] as string) as StoreOptions);
  const methods = store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  process.on('message', async (ask: Ask) => {
    if (!('id' in ask)) return;
    const { id } = ask;
    try {
      const result =
        'clocks' in ask ? clocks() : await (methods[ask.call] as (...args: unknown[]) => Promise<unknown>).apply(store, ask.args);
      process.send?.({ id, result } satisfies Told);
    } catch (error) {
      process.send?.({ id, error: String(error) } satisfies Told);
    }
  });
  process.once('disconnect', () => process.exit());
  void store.ready().then(() => process.send?.('ready'));
}
