import { expected, OptionError } from '../errors.js';
import type { Commands } from './commands.js';

export interface BatchOptions {
  /** The most keys in one command, ≥ 2. Default 512. */
  readonly max?: number | undefined;
}

/** A call that waits for the end of the tick. */
interface Waiting<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * Same-tick coalescing: reads that are asked in one tick leave as one many-key command, and a key that is asked for more than
 * once is asked for once. A call that is alone stays the single-key command it was. The tick ends with Node's nextTick queue,
 * before anything is written to a socket, so nobody waits for company.
 *
 * Only reads are held back, and only until the end of the tick: a write is passed on at once, so a read that is asked after it
 * goes out after it.
 */
export function batching(commands: Commands, { max = 512 }: BatchOptions = {}): Commands {
  if (!Number.isInteger(max) || max < 2) throw new OptionError(expected('batch.max', 'an integer ≥ 2', max));
  return {
    ...commands,
    get: coalesced(max, commands.get, commands.getMany),
    has: coalesced(max, commands.has, commands.hasMany),
    pttl: coalesced(max, commands.pttl, commands.pttlMany),
  };
}

function coalesced<T>(
  max: number,
  one: (key: string) => Promise<T>,
  many: (keys: readonly string[]) => Promise<T[]>,
): (key: string) => Promise<T> {
  let waiting = new Map<string, Waiting<T>>();

  async function ask(keys: readonly string[], calls: readonly Waiting<T>[]): Promise<void> {
    try {
      const values = keys.length === 1 ? [await one(keys[0] as string)] : await many(keys);
      for (let i = 0; i < calls.length; i++) calls[i]?.resolve(values[i] as T);
    } catch (error) {
      for (const call of calls) call.reject(error);
    }
  }

  function flush(): void {
    const keys = [...waiting.keys()];
    const calls = [...waiting.values()];
    waiting = new Map();
    for (let i = 0; i < keys.length; i += max) void ask(keys.slice(i, i + max), calls.slice(i, i + max));
  }

  return (key) => {
    const asked = waiting.get(key);
    if (asked) return asked.promise;
    if (waiting.size === 0) process.nextTick(flush);
    let resolve!: (value: T) => void;
    let reject!: (error: unknown) => void;
    const promise = new Promise<T>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    waiting.set(key, { promise, resolve, reject });
    return promise;
  };
}
