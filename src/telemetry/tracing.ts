import { tracingChannel } from 'node:diagnostics_channel';

/** Which store it was, and which Redis: by identity the same as `store.source`. */
export interface Source {
  readonly face: 'store' | 'keyv';
  readonly prefix: string;
  /** Host, or path of a unix socket, where the options say it. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly database?: number | undefined;
}

/** What is told of one command of a store. Never a value. */
export interface CommandTrace {
  readonly source: Source;
  /** The Redis command, such as `GET`. */
  readonly command: string;
  /** The caller's key, where there is exactly one and it can be told from the key in Redis. */
  readonly key: string | undefined;
  /** How many keys it is about. */
  readonly keys: number;
  /** Of a read: how many of them were found. Set when it is answered. */
  hits?: number;
  /** Of a read of one key: whether it was found. Set when it is answered. */
  hit?: boolean;
  /** Why it failed. */
  error?: unknown;
}

/** What is told of one call of a function that was given to `getOrSet`. Never a value. */
export interface LoadTrace {
  readonly source: Source;
  /** The caller's key. */
  readonly key: string;
  /** Whether there is an old value, which is being renewed. */
  readonly renewal: boolean;
  /** What the function threw. */
  error?: unknown;
}

/** The names under which `tracingChannel` of `node:diagnostics_channel` finds them. */
export const commandChannel = 'redis-tier:command';
export const loadChannel = 'redis-tier:load';

const commands = tracingChannel<string, CommandTrace>(commandChannel);
const loads = tracingChannel<string, LoadTrace>(loadChannel);
type Channels = typeof commands | typeof loads;

/** Whether anybody wants to know. The channel itself cannot tell before Node 20.13. */
function heard({ start, end, asyncStart, asyncEnd, error }: Channels): boolean {
  return start.hasSubscribers || asyncEnd.hasSubscribers || error.hasSubscribers || end.hasSubscribers || asyncStart.hasSubscribers;
}

/** Whether anybody wants to know of commands. */
export const traced = (): boolean => heard(commands);
/** Whether anybody wants to know of loads. */
export const loadTraced = (): boolean => heard(loads);

/** Runs the call between `start` and `asyncEnd`. `hits` says how many of the keys a read has found. */
export async function trace<T>(context: CommandTrace, call: () => Promise<T>, hits: ((answer: T) => number) | undefined): Promise<T> {
  let answer!: T;
  // Node hands what the traced function gives to every subscriber: it gives nothing, for the answer is a value.
  await commands.tracePromise(async () => {
    answer = await call();
    if (!hits) return;
    context.hits = hits(answer);
    if (context.keys === 1) context.hit = context.hits === 1;
  }, context);
  return answer;
}

/** Runs the function between `start` and `asyncEnd`. */
export async function traceLoad<T>(context: LoadTrace, call: () => T | Promise<T>): Promise<T> {
  let value!: T;
  await loads.tracePromise(async () => {
    value = await call();
  }, context);
  return value;
}
