import { tracingChannel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import type { ArgumentError, CacheError } from '../errors.js';
import { warn } from '../messages.js';
import type { Milliseconds } from '../ttl.js';

/**
 * The state of the circuit breaker.
 *
 * - `closed`: commands are sent.
 * - `open`: Redis does not answer. Commands fail at once and are not sent.
 * - `half-open`: one command is sent as a trial. The others fail at once until it is answered.
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** The events of a store and of a Keyv adapter. None needs a listener. */
export interface StoreEvents {
  /** An operation or the connection failed. Emitted also if the caller got a miss instead of the error. */
  error: [error: CacheError | ArgumentError];
  /** The circuit breaker changed its state. */
  breaker: [state: BreakerState];
  /** An outage began or is over. One event each, however many operations fail. */
  outage: [outage: OutageEvent];
  /** A read found a value. One event per key. */
  hit: [read: ReadEvent & { readonly bytes: number }];
  /** A read found no value. A failed read emits `error` instead. One event per key. */
  miss: [read: ReadEvent];
  /** An entry was stored. One event per key. */
  set: [entry: EntryEvent];
  /** Redis deleted a key, whether or not it existed. One event per key, also for those that `clear` found. */
  delete: [entry: EntryEvent];
}

/** Where a read was answered: by the near tier, by Redis, by Redis with a stale value, or by the memory of `offline` while Redis is away. */
export type ReadTier = 'near' | 'redis' | 'stale' | 'offline';

/** A read of one key. */
export interface ReadEvent {
  /** The method, such as `get` or `mget`. */
  readonly operation: string;
  /** The caller's key. */
  readonly key: string;
  /** The tier that answered. */
  readonly tier: ReadTier;
}

/** A change of one entry. */
export interface EntryEvent {
  /** The caller's key; `undefined` if the key in Redis does not reveal it (`hashLongKeys`, `keyFunction` without `parseKey`). */
  readonly key: string | undefined;
}

/** An outage: the time in which the circuit breaker was not closed. */
export interface OutageEvent {
  /** Whether it begins or ends. */
  readonly phase: 'begin' | 'end';
  /** The failure that opened the breaker. */
  readonly cause: unknown;
  /** How long it has lasted, in milliseconds. */
  readonly duration: Milliseconds;
  /** How many operations have failed during it. */
  readonly failures: number;
}

/** An emitter that needs no listener for `error`, and whose listeners cannot break the operation that emits. */
export class Events {
  readonly #emitter = new EventEmitter<StoreEvents>();
  /** Whether an event has listeners, for callers to check before they build a payload. To ask the emitter would cost more than a read. */
  readonly heard: Record<keyof StoreEvents, boolean> = {
    error: false,
    breaker: false,
    outage: false,
    hit: false,
    miss: false,
    set: false,
    delete: false,
  };
  #warned = false;

  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): void {
    this.#emitter.on(event, listener as never);
    this.heard[event] = true;
  }

  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): void {
    this.#emitter.off(event, listener as never);
    this.heard[event] = this.#emitter.listenerCount(event) > 0;
  }

  emit<E extends keyof StoreEvents>(event: E, ...args: StoreEvents[E]): void {
    if (!this.heard[event]) return;
    // An emitter would skip the listeners after one that throws.
    for (const listener of this.#emitter.listeners(event)) {
      try {
        (listener as (...args: StoreEvents[E]) => void)(...args);
      } catch (error) {
        this.#warn(event, error, error === args[0]);
      }
    }
  }

  /** Warns once. Keyv 4 and 6 emit errors again on an emitter that throws without a listener. */
  #warn(event: string, error: unknown, isUnheard: boolean): void {
    if (this.#warned) return;
    this.#warned = true;
    const what = isUnheard
      ? `nothing listens to the \`${event}\` event of the Keyv around redis-tier`
      : `a listener of redis-tier's \`${event}\` event threw`;
    warn(`${what}: ${String(error)}`, 'REDIS_TIER_LISTENER');
  }
}

/** The store and its Redis server. The same object as `store.source`. */
export interface Source {
  /** A cache-manager store or a Keyv adapter. */
  readonly face: 'store' | 'keyv';
  /** The option `prefix`. */
  readonly prefix: string;
  /** The host, or the path of the unix socket, if the options name it. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly database?: number | undefined;
}

/** The message about one command on the channel `redis-tier:command`. Never holds a value. */
export interface CommandTrace {
  readonly source: Source;
  /** The Redis command, such as `GET`. */
  readonly command: string;
  /** The caller's key, if there is exactly one and the key in Redis reveals it. */
  readonly key: string | undefined;
  /** The number of keys. */
  readonly keys: number;
  /** Set with the answer of a read: the number of keys found. */
  hits?: number;
  /** Set with the answer of a read of one key: whether it was found. */
  hit?: boolean;
  /** Set if the command failed. */
  error?: unknown;
}

/** The message about one call of a `getOrSet` function on the channel `redis-tier:load`. Never holds a value. */
export interface LoadTrace {
  readonly source: Source;
  /** The caller's key. */
  readonly key: string;
  /** Whether the call renews an existing value. */
  readonly renewal: boolean;
  /** Set if the function failed: what it threw. */
  error?: unknown;
}

/** The name of the `tracingChannel` (`node:diagnostics_channel`) of commands. */
export const commandChannel = 'redis-tier:command';
/** The name of the `tracingChannel` of loads. */
export const loadChannel = 'redis-tier:load';

const commands = tracingChannel<string, CommandTrace>(commandChannel);
const loads = tracingChannel<string, LoadTrace>(loadChannel);

/** Before Node 20.13 a tracing channel does not know whether it has subscribers. */
function hasSubscribers({ start, end, asyncStart, asyncEnd, error }: typeof commands | typeof loads): boolean {
  return start.hasSubscribers || asyncEnd.hasSubscribers || error.hasSubscribers || end.hasSubscribers || asyncStart.hasSubscribers;
}

export const isTraced = (): boolean => hasSubscribers(commands);
export const isLoadTraced = (): boolean => hasSubscribers(loads);

/** Runs the call between `start` and `asyncEnd`. `hits` counts the found keys in the answer of a read. */
export async function trace<T>(context: CommandTrace, call: () => Promise<T>, hits: ((answer: T) => number) | undefined): Promise<T> {
  let answer!: T;
  // Node passes the result of the traced function to every subscriber. It returns nothing, because the answer is a value.
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
