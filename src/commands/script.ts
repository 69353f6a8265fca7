import { createHash } from 'node:crypto';
import type { Argument, Connection, Reply } from '../connection/connection.js';
import { CommandError } from '../errors.js';

/** A Lua script on one key, or on several in one slot; run by EVALSHA and sent in full only where the server does not have it. */
export class Script {
  readonly #source: string;
  readonly #sha: string;

  constructor(source: string) {
    this.#source = source;
    this.#sha = createHash('sha1').update(source).digest('hex');
  }

  async run(connection: Connection, on: string | readonly [string, ...string[]], ...args: readonly Argument[]): Promise<Reply> {
    const keys = typeof on === 'string' ? [on] : on;
    const key = keys[0];
    const tail = [String(keys.length), ...keys, ...args];
    try {
      return await connection.send(['EVALSHA', this.#sha, ...tail], { key });
    } catch (error) {
      if (!(error instanceof CommandError) || !String((error.cause as Error)?.message).startsWith('NOSCRIPT')) throw error;
      return connection.send(['EVAL', this.#source, ...tail], { key });
    }
  }
}
