import type { Commands } from './commands/commands.js';
import type { Status } from './connection/connection.js';
import type { Pool } from './connection/pool.js';
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
export function remoteLink(pool: Pool, commands: Commands, timeout: Milliseconds): Link {
  return {
    get status() {
      return pool.status ?? 'idle';
    },
    get client() {
      return pool.client;
    },
    ready: () => named('ready', () => pool.use((connection) => connection.ready())),
    ping: () => named('ping', () => commands.ping()),
    disconnect: () => pool.close(timeout),
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
