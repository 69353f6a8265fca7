import type { Commands } from './commands/commands.js';
import type { OrderedCommands } from './commands/in-order.js';
import type { BreakerState } from './connection/breaker.js';
import type { Status } from './connection/connection.js';
import type { GuardedPool } from './connection/guard.js';
import { nextTick, performance } from './connection/real-time.js';
import { settledWithin } from './connection/settled-within.js';
import { CacheError, ClosedError } from './errors.js';
import type { Background } from './extras/background.js';
import type { NearHolding, NearTier } from './near/tier.js';
import type { Milliseconds } from './ttl.js';
import { unawaited } from './unawaited.js';

/** How long what no caller waits for has to end when an engine in this process is closed. */
const patience: Milliseconds = 1000;

/** The connection of a store, as its owner sees it: state, start-up, shut-down. */
export interface Link {
  readonly status: Status;
  readonly breaker: BreakerState;
  /** Commands and pipelines under way. */
  readonly pending: number;
  readonly client: unknown;
  /** What the near tier holds, where there is one. */
  readonly near?: NearHolding | undefined;
  ready(): Promise<void>;
  ping(): Promise<void>;
  disconnect(): Promise<void>;
}

/** To a Redis, through a pool. */
export function remoteLink(
  pool: GuardedPool,
  commands: OrderedCommands,
  timeout: Milliseconds,
  background: Background,
  beforeClosing?: () => Promise<void>,
): Link {
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    const start = performance.now();
    await settledWithin(background.idle(), timeout);
    background.stop(new ClosedError());
    await settledWithin(commands.idle(), Math.max(1, timeout - (performance.now() - start)));
    if (beforeClosing) await settledWithin(beforeClosing(), Math.max(1, timeout - (performance.now() - start)));
    // Reads of this tick leave at its end.
    await new Promise<void>((resolve) => nextTick(resolve));
    await pool.close(Math.max(0, timeout - (performance.now() - start)));
  }

  return {
    get status() {
      return pool.status ?? 'idle';
    },
    get breaker() {
      return pool.breaker;
    },
    get pending() {
      return pool.pending;
    },
    get client() {
      return pool.client;
    },
    ready: () => unawaited(named('ready', () => pool.probe((connection) => connection.ready()))),
    ping: () => unawaited(named('ping', () => pool.probe(async (connection) => void (await connection.send(['PING']))))),
    disconnect: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** To an engine inside this process: ready until it is closed. */
export function localLink(engine: { closed(): boolean; close(): void }, commands: Commands, background: Background): Link {
  return {
    get status() {
      return engine.closed() ? 'closed' : 'ready';
    },
    breaker: 'closed',
    pending: 0,
    client: undefined,
    ready: () => unawaited(named('ready', () => commands.ping())),
    ping: () => unawaited(named('ping', () => commands.ping())),
    async disconnect() {
      // Where nothing is under way, it is closed at once.
      if (!background.quiet) await settledWithin(background.idle(), patience);
      background.stop(new ClosedError());
      engine.close();
    },
  };
}

async function named(operation: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheError) error.operation ??= operation;
    throw error;
  }
}

/** With a near tier, which ends first, and with the connection it reads over where that is one of its own. */
export function nearLink(link: Link, near: Pick<NearTier, 'close' | 'holding'>, aside?: GuardedPool, grace: Milliseconds = 0): Link {
  return Object.create(link, {
    pending: { get: () => link.pending + (aside?.pending ?? 0) },
    near: { get: () => near.holding },
    disconnect: {
      value: async (): Promise<void> => {
        near.close();
        await Promise.all([link.disconnect(), aside?.close(grace)]);
      },
    },
  }) as Link;
}
