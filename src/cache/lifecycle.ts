import type { ClosableCommands } from '../commands/local.js';
import type { RefusedCommands } from '../commands/refused.js';
import type { Connection, Status } from '../connection/connection.js';
import type { GuardedPool } from '../connection/guard.js';
import { greet } from '../connection/handshake.js';
import { CacheError, ClosedError } from '../errors.js';
import type { OfflineMemory } from '../near/offline.js';
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
  readonly refused: RefusedCommands;
  readonly near?: NearTier | undefined;
  readonly offline?: OfflineMemory | undefined;
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
export function remoteLifecycle(resources: RemoteResources): Lifecycle {
  const { pool, refused, near, offline, trackingPool, timeout, background, idle, beforeClosing } = resources;
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    const start = performance.now();
    const left = (min: Milliseconds): Milliseconds => Math.max(min, timeout - (performance.now() - start));
    await waitAtMost(background.idle(), timeout);
    background.stop(new ClosedError());
    await waitAtMost(idle(), left(1));
    if (beforeClosing) await waitAtMost(beforeClosing(), left(1));
    // Reads of this tick leave at its end.
    await new Promise<void>((resolve) => nextTick(resolve));
    await pool.close(left(0));
  }

  /** A refusal is an answer too. */
  async function ping(connection: Connection): Promise<void> {
    await connection.send(['PING']).catch((error: unknown) => refused.learn('PING', error));
  }

  return {
    get status() {
      return pool.status;
    },
    get breaker() {
      return pool.breaker;
    },
    get pending() {
      return pool.pending + (trackingPool?.pending ?? 0);
    },
    get client() {
      return pool.client;
    },
    get near() {
      return near?.holding;
    },
    ready: () => unawaited(named('ready', () => pool.probe(connected))),
    ping: () => unawaited(named('ping', () => pool.probe(ping))),
    async disconnect() {
      near?.close();
      offline?.close();
      closing ??= close();
      await Promise.all([closing, trackingPool?.close(timeout)]);
    },
  };
}

/** Resolves once a Redis has answered; of a cluster, once one of its nodes has. */
async function connected(connection: Connection): Promise<void> {
  await connection.ready();
  // A PING would ask every primary. Each was asked for its slots.
  if (connection.primaries === undefined) await greet(connection);
}

/** Of a store in this process: ready until it is closed. */
export function localLifecycle(engine: ClosableCommands, background: Background): Lifecycle {
  const ping = (operation: string): Promise<void> => unawaited(named(operation, () => engine.commands.ping()));
  return {
    get status() {
      return engine.closed ? 'closed' : 'ready';
    },
    breaker: 'closed',
    pending: 0,
    client: undefined,
    ready: () => ping('ready'),
    ping: () => ping('ping'),
    async disconnect() {
      // Closed at once if nothing is under way.
      if (!background.isIdle) await waitAtMost(background.idle(), closeTimeout);
      background.stop(new ClosedError());
      engine.close();
    },
  };
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
