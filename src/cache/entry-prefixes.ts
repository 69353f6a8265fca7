import { StoredEntry } from '../codec/entry.js';
import { type Commands, prefixLength } from '../commands/commands.js';

/** The first bytes of an entry; `null` if there is none, or if it has none. */
export interface EntryPrefix {
  readonly key: string;
  readonly prefix: Buffer | null;
  /** What the bytes tell: its tags, and not its value. */
  readonly entry: StoredEntry | undefined;
}

/** Reads the headers of entries without their values. */
export class EntryPrefixes {
  readonly #commands: Pick<Commands, 'prefixes' | 'get'>;

  constructor(commands: Pick<Commands, 'prefixes' | 'get'>) {
    this.#commands = commands;
  }

  /** The first bytes of each entry, with all of its tags. Redis: GETRANGE, pipelined; GET for an entry with very many tags. */
  async of(redisKeys: readonly string[]): Promise<EntryPrefix[]> {
    const prefixes = await this.#commands.prefixes(redisKeys, prefixLength);
    return Promise.all(
      redisKeys.map(async (key, i) => {
        const prefix = prefixes[i] ?? null;
        const entry = prefix ? StoredEntry.parse(prefix) : undefined;
        if (!prefix || !entry?.isTagged || entry.tags || prefix.length < prefixLength) return { key, prefix, entry };
        const whole = await this.whole(key);
        return whole?.isTagged ? { key, prefix: whole.bytes as Buffer, entry: whole } : { key, prefix: null, entry: undefined };
      }),
    );
  }

  /** Whether the entry carries tags. Redis: GETRANGE. */
  async isTagged(redisKey: string): Promise<boolean> {
    const [prefix] = await this.#commands.prefixes([redisKey], prefixLength);
    return prefix ? StoredEntry.parse(prefix).isTagged : false;
  }

  async whole(redisKey: string): Promise<StoredEntry | undefined> {
    const entry = await this.#commands.get(redisKey);
    return entry.found ? entry : undefined;
  }
}
