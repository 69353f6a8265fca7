import type { Commands } from './commands/commands.js';
import type { Status } from './connection/connection.js';
import type { Pool } from './connection/pool.js';
import { CacheError } from './errors.js';
import type { Milliseconds } from './ttl.js';

/** The connection of a store, as its owner sees it: state, start-up, shut-down. */
export class Link {
  readonly #commands: Commands;
  readonly #pool: Pool | undefined;
  readonly #timeout: Milliseconds;

  /** Without a pool: an engine inside this process, which is always ready. */
  constructor(commands: Commands, pool: Pool | undefined, timeout: Milliseconds) {
    this.#commands = commands;
    this.#pool = pool;
    this.#timeout = timeout;
  }

  get status(): Status {
    return this.#pool ? (this.#pool.status ?? 'idle') : 'ready';
  }

  get client(): unknown {
    return this.#pool?.client;
  }

  async ready(): Promise<void> {
    await named(
      'ready',
      this.#pool?.use((connection) => connection.ready()),
    );
  }

  async ping(): Promise<void> {
    await named('ping', this.#commands.ping());
  }

  async disconnect(): Promise<void> {
    await this.#pool?.close(this.#timeout);
  }
}

async function named(operation: string, work: Promise<void> | undefined): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CacheError) error.operation ??= operation;
    throw error;
  }
}
