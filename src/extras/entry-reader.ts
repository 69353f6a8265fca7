import { agingOf, mayBeStale } from '../codec/aging.js';
import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import { bodyOf } from '../codec/tag-header.js';
import { missing } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import { abortable } from '../connection/abortable.js';
import { performance } from '../connection/real-time.js';
import type { Milliseconds } from '../ttl.js';
import type { Allowance } from './allowance.js';
import { type Ending, endingSince } from './ending.js';
import { isObject, type Load, type Outcome } from './load.js';
import { backoff, type PauseOptions } from './pause.js';
import type { Tags } from './tags.js';

/** What reading an entry needs of the cache around it. */
export interface ReaderParts {
  readonly commands: OrderedCommands;
  readonly tags: Pick<Tags, 'concern' | 'open'>;
  /** The bound of the commands, and of all of a call together. */
  readonly timeout: Milliseconds;
  /** Aborted when the callers give up. */
  readonly signal?: AbortSignal | undefined;
  /** Whether a tier in this process will answer a GET of this key. */
  readonly near: (wire: string) => boolean;
  /** The value of these bytes, made anew each time; `undefined` where they cannot be read, which has been told of then. */
  readonly decoded: (load: Load, stored: Stored) => MaybePromise<unknown>;
}

/** An entry as the load saw it. */
export interface Seen {
  readonly stored: Stored | null;
  /** What was left of its time in Redis, where it was asked for. */
  readonly left: Milliseconds | undefined;
  /** When, by this process's monotonic clock. */
  readonly at: number;
  /** Whether a tier in this process gave it. */
  readonly near?: boolean;
}

/** A wait for the load of another process. */
export interface Wait {
  /** What the lease held when it was looked at last. */
  holder: string;
  /** When to stop waiting, on the monotonic clock. */
  readonly until: () => Milliseconds;
  /** Whether the wait keeps no process alive. */
  readonly idle: boolean;
}

/** How a wait ended. */
export type News =
  | { readonly kind: 'changed'; readonly seen: Seen }
  /** The lease lapsed, or was deleted. */
  | { readonly kind: 'free' }
  | { readonly kind: 'ended'; readonly ending: Ending }
  /** It was waited for long enough. */
  | { readonly kind: 'over' };

/** Reads the entry that a load is about, and waits until somebody else has written it. */
export class EntryReader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** Reads the entry, with the time that is left where that matters. `again`: as it is in Redis now, whatever a tier in this process holds. */
  async look({ wire, plan }: Load, allowance: Allowance, again = false): Promise<Seen> {
    const { commands } = this.#parts;
    let at = performance.now();
    const near = this.#parts.near(wire);
    if (!plan.timed && !(near && again)) {
      const stored = await allowance.sample((commands.tracked ?? commands).get(wire));
      if (!mayBeStale(stored)) return { stored, left: undefined, at, near };
      at = performance.now();
    }
    return { ...(await allowance.sample(commands.getWithTtl(wire))), at };
  }

  /** What stands behind the tags, where all of them still count. */
  async open({ stored }: Pick<Seen, 'stored'>, allowance: Allowance, ahead?: Promise<unknown>): Promise<Stored | null> {
    const { tags } = this.#parts;
    const opened = tags.concern(stored) ? await allowance.within(tags.open(stored, ahead)) : stored;
    return opened && bodyOf(opened);
  }

  /** The value of what stands behind the tags; `undefined` where there is nothing, or nothing that can be read. */
  async decode(load: Load, body: Stored | null): Promise<Outcome | undefined> {
    if (body === null) return undefined;
    const value = await this.#parts.decoded(load, body);
    return value === undefined ? undefined : { value, copy: () => (isObject(value) ? this.#parts.decoded(load, body) : value) };
  }

  /** What the key holds, fresh or not. */
  async read(load: Load, seen: Seen, allowance: Allowance): Promise<Outcome | undefined> {
    return this.decode(load, await this.open(seen, allowance));
  }

  /** What the key holds while it is fresh. */
  async fresh(load: Load, seen: Seen, allowance: Allowance): Promise<Outcome | undefined> {
    return freshness(seen).left > 0 ? this.read(load, seen, allowance) : undefined;
  }

  /**
   * Waits until the key holds something else than it did, or the load of the process that holds the lease has ended otherwise. Where the
   * server tells what changes, it looks at once and again when it is told, or when the lease must have lapsed; else it polls.
   */
  async news({ wire, lease, plan }: Load, seen: Seen, allowance: Allowance, wait: Wait): Promise<News> {
    const { commands, timeout } = this.#parts;
    const keys = [wire, lease as string];
    const { idle } = wait;
    const pause = (time: Milliseconds, signal?: AbortSignal): Promise<void> => this.#pause(allowance, time, { idle, signal });
    let gap = 0;
    for (const delay of gaps(timeout)) {
      const watch = commands.tracked?.watch(keys);
      try {
        if (!watch) await pause(Math.min(delay, wait.until() - performance.now()));
        const at = performance.now();
        const [stored = null, holder = null] = await allowance.aside(watch ? watch.read() : commands.getMany(keys));
        // What has just been stored is fresh.
        if (stored !== null && !same(stored, seen.stored)) return { kind: 'changed', seen: { stored, left: missing, at } };
        if (holder === null) return { kind: 'free' };
        const ending = endingSince(wait.holder, String(holder));
        if (ending) return { kind: 'ended', ending };
        wait.holder = String(holder);
        if (at >= wait.until()) break;
        if (!watch) continue;
        await pause(Math.min(lapse(plan.lease as Milliseconds), wait.until() - at), watch.signal);
        // A server that has to forget what it tracks says so again and again.
        await pause(gap - (performance.now() - at));
        gap = Math.min(100, gap + 20);
      } finally {
        watch?.end();
      }
    }
    return { kind: 'over' };
  }

  /** Pauses, and rejects as soon as the caller gives up. */
  async #pause(allowance: Allowance, time: Milliseconds, options: PauseOptions): Promise<void> {
    const { signal } = this.#parts;
    if (!signal) return allowance.pause(time, options);
    const over = new AbortController();
    try {
      await abortable(signal, () => allowance.pause(time, { ...options, caller: over.signal }));
    } finally {
      over.abort();
    }
  }
}

/** How long to wait between two looks, where nothing is told: longer each time, and longer still when the time of a call is over. */
function* gaps(timeout: Milliseconds): Generator<Milliseconds> {
  const [early, later] = [Math.min(1000, timeout / 4), Math.min(1000, timeout / 2)];
  let waited = 0;
  for (const gap of backoff(80, 3, early)) {
    if (waited > timeout) break;
    waited += gap;
    yield gap;
  }
  yield* backoff(later, 1, later);
}

/** After how long to look again where nothing was told: Redis tells of a key that lapsed only when it comes across it. */
function lapse(lease: Milliseconds): Milliseconds {
  return Math.min(lease, 10_000) * (1 + Math.random() / 4);
}

/** How long the entry is fresh still (negative: for how long it has not been), and what making it took. */
export function freshness({ stored, left }: Seen): { left: Milliseconds; cost: Milliseconds } {
  const { staleFor = 0, cost = 0 } = (stored !== null && agingOf(stored)) || {};
  // Without a time that is left it never ends, or has just been written.
  return { left: left === undefined || left < 0 ? Number.POSITIVE_INFINITY : left - staleFor, cost };
}

/** Whether these are the same bytes. */
export function same(a: Stored | null, b: Stored | null): boolean {
  return a === null || b === null ? a === b : Buffer.from(a as string).equals(Buffer.from(b as string));
}
