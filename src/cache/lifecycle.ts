import type { ClosableCommands } from '../commands/local.js';
import type { Status } from '../connection/connection.js';
import type { GuardedPool } from '../connection/guard.js';
import { CacheError, ClosedError } from '../errors.js';
import type { NearTier } from '../near/tier.js';
import type { BreakerState } from '../telemetry/events.js';
import type { NearHolding } from '../telemetry/stats.js';
import type { Background } from '../time/background.js';
import { nextTick, performance } from '../time/clock.js';
import { waitAtMost } from '../time/deadlines.js';
import { unawaited } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';

/** How long background work has to end when a store in this process is closed. */
const closeTimeout: Milliseconds = 1000;

/** The connection of a store, as its owner sees it: state, start-up, shutdown. */
export interface Lifecycle {
  readonly status: Status;
  readonly breaker: BreakerState;
  /** Commands and pipelines under way. */
  readonly pending: number;
  readonly client: unknown;
  /** What the near tier holds, if there is one. */
  readonly near?: NearHolding | undefined;
  ready(): Promise<void>;
  ping(): Promise<void>;
  disconnect(): Promise<void>;
}

export interface RemoteResources {
  readonly pool: GuardedPool;
  readonly near?: NearTier | undefined;
  /** The pool that tracks, if it is not the pool of the store. */
  readonly trackingPool?: GuardedPool | undefined;
  readonly timeout: Milliseconds;
  readonly background: Background;
  /** Resolves when every value that is being encoded was sent. */
  readonly idle: () => Promise<unknown>;
  /** Runs before the connections close. */
  readonly beforeClosing?: (() => Promise<void>) | undefined;
}

/** Of a store on Redis. */
export class RemoteLifecycle implements Lifecycle {
  readonly #parts: RemoteResources;
  #closing: Promise<void> | undefined;

  constructor(parts: RemoteResources) {
    this.#parts = parts;
  }

  get status(): Status {
    return this.#parts.pool.status ?? 'idle';
  }

  get breaker(): BreakerState {
    return this.#parts.pool.breaker;
  }

  get pending(): number {
    return this.#parts.pool.pending + (this.#parts.trackingPool?.pending ?? 0);
  }

  get client(): unknown {
    return this.#parts.pool.client;
  }

  get near(): NearHolding | undefined {
    return this.#parts.near?.holding;
  }

  ready(): Promise<void> {
    return unawaited(named('ready', () => this.#parts.pool.probe((connection) => connection.ready())));
  }

  ping(): Promise<void> {
    return unawaited(named('ping', () => this.#parts.pool.probe(async (connection) => void (await connection.send(['PING'])))));
  }

  async disconnect(): Promise<void> {
    const { near, trackingPool, timeout } = this.#parts;
    near?.close();
    this.#closing ??= this.#close();
    await Promise.all([this.#closing, trackingPool?.close(timeout)]);
  }

  async #close(): Promise<void> {
    const { pool, timeout, background, idle, beforeClosing } = this.#parts;
    const start = performance.now();
    const left = (): Milliseconds => Math.max(1, timeout - (performance.now() - start));
    await waitAtMost(background.idle(), timeout);
    background.stop(new ClosedError());
    await waitAtMost(idle(), left());
    if (beforeClosing) await waitAtMost(beforeClosing(), left());
    // Reads of this tick leave at its end.
    await new Promise<void>((resolve) => nextTick(resolve));
    await pool.close(Math.max(0, timeout - (performance.now() - start)));
  }
}

/** Of a store in this process: ready until it is closed. */
export class LocalLifecycle implements Lifecycle {
  readonly breaker = 'closed';
  readonly pending = 0;
  readonly client = undefined;
  readonly #engine: ClosableCommands;
  readonly #background: Background;

  constructor(engine: ClosableCommands, background: Background) {
    this.#engine = engine;
    this.#background = background;
  }

  get status(): Status {
    return this.#engine.closed ? 'closed' : 'ready';
  }

  ready(): Promise<void> {
    return this.ping('ready');
  }

  ping(operation = 'ping'): Promise<void> {
    return unawaited(named(operation, () => this.#engine.commands.ping()));
  }

  async disconnect(): Promise<void> {
    // Closed at once if nothing is under way.
    if (!this.#background.isIdle) await waitAtMost(this.#background.idle(), closeTimeout);
    this.#background.stop(new ClosedError());
    this.#engine.close();
  }
}

/** Names the operation in its error. */
async function named(operation: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheError) error.operation ??= operation;
    throw error;
  }
}
