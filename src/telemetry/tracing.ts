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

/** The name under which `tracingChannel` of `node:diagnostics_channel` finds it. */
export const commandChannel = 'redis-tier:command';

const channels = tracingChannel<string, CommandTrace>(commandChannel);
const { start, end, asyncStart, asyncEnd, error } = channels;

/** Whether anybody wants to know. The channel itself cannot tell before Node 20.13. */
export function traced(): boolean {
  return start.hasSubscribers || asyncEnd.hasSubscribers || error.hasSubscribers || end.hasSubscribers || asyncStart.hasSubscribers;
}

/** Runs the call between `start` and `asyncEnd`. `hits` says how many of the keys a read has found. */
export async function trace<T>(context: CommandTrace, call: () => Promise<T>, hits: ((answer: T) => number) | undefined): Promise<T> {
  let answer!: T;
  // Node hands what the traced function gives to every subscriber: it gives nothing, for the answer is a value.
  await channels.tracePromise(async () => {
    answer = await call();
    if (!hits) return;
    context.hits = hits(answer);
    if (context.keys === 1) context.hit = context.hits === 1;
  }, context);
  return answer;
}
