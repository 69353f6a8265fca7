import type { Commands } from './commands/commands.js';
import type { OrderedCommands } from './commands/in-order.js';
import type { Status } from './connection/connection.js';
import type { Pool } from './connection/pool.js';
import { settledWithin } from './connection/settled-within.js';
import { CacheError } from './errors.js';
import type { Milliseconds } from './ttl.js';

/** The connection of a store, as its owner sees it: state, start-up, shut-down. */
export interface Link {
  readonly status: Status;
  readonly client: unknown;
  ready(): Promise<void>;
  ping(): Promise<void>;
  disconnect(): Promise<void>;
}

/** To a Redis, through a pool. */
export function remoteLink(pool: Pool, commands: OrderedCommands, timeout: Milliseconds): Link {
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    const start = performance.now();
    await settledWithin(commands.idle(), timeout);
    // Reads of this tick leave at its end.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    await pool.close(Math.max(0, timeout - (performance.now() - start)));
  }

  return {
    get status() {
      return pool.status ?? 'idle';
    },
    get client() {
      return pool.client;
    },
    ready: () => named('ready', () => pool.use((connection) => connection.ready())),
    ping: () => named('ping', () => commands.ping()),
    disconnect: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** To an engine inside this process: ready until it is closed. */
export function localLink(engine: { closed(): boolean; close(): void }, commands: Commands): Link {
  return {
    get status() {
      return engine.closed() ? 'closed' : 'ready';
    },
    client: undefined,
    ready: () => named('ready', () => commands.ping()),
    ping: () => named('ping', () => commands.ping()),
    disconnect: async () => engine.close(),
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
