import { Cache, type CacheParts } from './cache.js';
import type { Stored } from './codec/codec.js';
import type { Page } from './commands/commands.js';
import { ArgumentError, expected, MissingKeyError, UnsupportedError } from './errors.js';
import { allVersions, type KeySpace } from './keys/keyspace.js';

export interface ScopeParts extends CacheParts {
  readonly prefix: string;
  readonly version?: string | undefined;
  /** The key space of another version; left out where keys are made by a function of the user's own. */
  readonly keysOf?: ((version: string) => KeySpace) | undefined;
  /** Whether wire keys can be turned back, so that scans know whose they are. */
  readonly reversible: boolean;
}

/** What `clear` drops where it is not this store's own entries. */
export interface ClearOptions {
  /** The entries of another version. */
  readonly version?: string | number;
  /** The entries of every version, those without one included. */
  readonly allVersions?: boolean;
}

export interface ReencodeOptions {
  /** Where an earlier run got to: the `cursor` of its last progress. */
  readonly cursor?: string;
}

/** How far `reencode` has got. */
export interface ReencodeProgress {
  /** Entries looked at so far. */
  readonly scanned: number;
  /** Entries whose bytes were replaced. */
  readonly rewritten: number;
  /** Entries left as they are because they could not be read; each was emitted as `error`. */
  readonly unreadable: number;
  /** Where to go on; `'0'` when done. */
  readonly cursor: string;
}

/** Entries that `reencode` holds at once: whole values, so not many. */
const slice = 50;

/** Everything that concerns all the entries of a store at once. Scans in pages, never KEYS; touches nothing but its own. */
export class ScopedCache extends Cache {
  /** @internal */
  declare protected readonly parts: ScopeParts;

  /** @internal */
  constructor(parts: ScopeParts) {
    super(parts);
  }

  /**
   * The keys, page by page, as they were given; those that match a Redis glob pattern where there is one. Redis: SCAN.
   * A key that is there all the while comes at least once; one may come twice while Redis resizes its table.
   * Keys stored under a digest (`hashLongKeys`) cannot be listed. Fails loud: a shortened list would look like a whole one.
   */
  async *iterate(pattern?: string): AsyncGenerator<string, void, undefined> {
    for await (const { keys } of this.#pages('iterate', pattern)) yield* keys;
  }

  /**
   * All keys, or those that match a Redis glob pattern, each once. Redis: SCAN, never KEYS. Needs memory for all of them,
   * which `iterate` does not. Fails loud.
   */
  async keys(pattern?: string): Promise<string[]> {
    const found = new Set<string>();
    for await (const { keys } of this.#pages('keys', pattern)) for (const key of keys) found.add(key);
    return [...found];
  }

  /** Deletes the keys that match a Redis glob pattern. Redis: SCAN and UNLINK, in batches. Fails loud. @returns how many */
  async delPattern(pattern: string): Promise<number> {
    if (typeof pattern !== 'string') throw new ArgumentError(expected('pattern', 'a string', pattern));
    return this.#unlinkAll('delPattern', this.#pages('delPattern', pattern));
  }

  /**
   * Deletes the entries of this store: those under its prefix and version, nothing else. `{ version }` deletes those of
   * another version instead, `{ allVersions: true }` those of all. Redis: SCAN and UNLINK, in batches. Fails loud.
   */
  async clear(options: ClearOptions = {}): Promise<void> {
    const space = await this.policy.loud({ name: 'clear' }, async () => this.#spaceOf(options));
    await this.#unlinkAll('clear', this.#owned('clear', space));
  }

  /**
   * Moves the entry to a later version (this store's plus `delta`) with its time to live. Redis: RENAME. Fails loud.
   *
   * @returns the version it is now under
   * @throws {MissingKeyError} where there is no such key
   */
  incrVersion(key: string, delta = 1): Promise<number> {
    return this.policy.loud({ name: 'incrVersion', key }, async () => {
      const { version, keysOf, keys, commands } = this.parts;
      if (!keysOf || version === undefined || !/^\d+$/.test(version)) {
        throw new UnsupportedError(`incrVersion needs the option \`version\` to be a number, it is \`${version ?? 'not set'}\``);
      }
      const next = Number(version) + delta;
      if (!Number.isSafeInteger(next) || next < 0)
        throw new ArgumentError(expected('delta', 'an integer that leads to a version ≥ 0', delta));
      if (!(await commands.rename(keys.toWire(key), keysOf(String(next)).toWire(key)))) throw new MissingKeyError();
      return next;
    });
  }

  /**
   * Rewrites every entry of this store with the current serializer and compression, keeping its time to live. Yields its
   * progress after every page, with a cursor that a later call can go on from. An entry that changes meanwhile keeps its
   * newer value. Redis: SCAN, MGET, and a compare-and-set script. Fails loud.
   */
  async *reencode(options: ReencodeOptions = {}): AsyncGenerator<ReencodeProgress, void, undefined> {
    const progress = {
      scanned: 0,
      rewritten: 0,
      unreadable: 0,
      cursor: options.cursor ?? '0',
    };
    const { keys } = this.parts;
    for await (const page of this.#scan('reencode', keys.scan().glob, options.cursor)) {
      const wires = page.keys.filter((key) => typeof key === 'string' && keys.owns(key)) as string[];
      for (let i = 0; i < wires.length; i += slice) {
        const outcomes = await this.policy.loud({ name: 'reencode' }, () => this.#rewrite(wires.slice(i, i + slice)));
        progress.rewritten += outcomes.filter((outcome) => outcome === 'rewritten').length;
        progress.unreadable += outcomes.filter((outcome) => outcome === 'unreadable').length;
      }
      progress.cursor = page.next;
      progress.scanned += wires.length;
      yield { ...progress };
    }
  }

  async #rewrite(wires: readonly string[]): Promise<('rewritten' | 'unreadable' | 'kept')[]> {
    const { codec, commands } = this.parts;
    const stored = await commands.getMany(wires);
    return Promise.all(
      wires.map(async (wire, i) => {
        const before = stored[i];
        if (before === null || before === undefined) return 'kept';
        let after: Stored;
        try {
          after = await codec.encode(await codec.decode(before));
        } catch (error) {
          this.policy.report({ name: 'reencode', key: this.parts.keys.fromWire(wire) }, error);
          return 'unreadable';
        }
        if (Buffer.from(after as string).equals(Buffer.from(before as string))) return 'kept';
        return (await commands.replace(wire, before, after)) ? 'rewritten' : 'kept';
      }),
    );
  }

  #spaceOf({ version, allVersions: all }: ClearOptions): Pick<KeySpace, 'scan' | 'owns'> {
    const { keys, keysOf, prefix } = this.parts;
    if (version === undefined && !all) return keys;
    if (!keysOf) throw new UnsupportedError('there are no versions where `keyFunction` makes the keys');
    return all ? allVersions(prefix) : keysOf(String(version));
  }

  /** The pages of a scan, as callers' keys and as wire keys. */
  async *#pages(name: string, pattern: string | undefined): AsyncGenerator<{ keys: string[]; wires: string[] }, void, undefined> {
    const { keys: space } = this.parts;
    const { glob, test } = space.scan(pattern);
    for await (const page of this.#scan(name, glob)) {
      const keys: string[] = [];
      const wires: string[] = [];
      for (const wire of page.keys) {
        if (typeof wire !== 'string') continue;
        const key = space.fromWire(wire);
        if (key === undefined || test?.(key) === false) continue;
        keys.push(key);
        wires.push(wire);
      }
      yield { keys, wires };
    }
  }

  async *#owned(name: string, space: Pick<KeySpace, 'scan' | 'owns'>): AsyncGenerator<{ wires: (string | Buffer)[] }, void, undefined> {
    for await (const page of this.#scan(name, space.scan().glob)) yield { wires: page.keys.filter((key) => space.owns(String(key))) };
  }

  /** SCAN, failing loud. */
  async *#scan(name: string, glob: string, cursor?: string): AsyncGenerator<Page, void, undefined> {
    try {
      if (!this.parts.reversible) throw new UnsupportedError('this needs the option `parseKey` where `keyFunction` makes the keys');
      yield* this.parts.commands.scan(glob, cursor);
    } catch (error) {
      throw this.policy.report({ name }, error);
    }
  }

  /** UNLINK, a page at a time, while the next page is being scanned: never more than one of each is under way. */
  async #unlinkAll(name: string, pages: AsyncIterable<{ wires: readonly (string | Buffer)[] }>): Promise<number> {
    let count = 0;
    let unlinking: Promise<number> = Promise.resolve(0);
    for await (const { wires } of pages) {
      count += await unlinking;
      unlinking = wires.length === 0 ? Promise.resolve(0) : this.policy.loud({ name }, () => this.parts.commands.del(wires));
      // Awaited in the next turn; a rejection must not go unhandled until then.
      unlinking.catch(() => {});
    }
    return count + (await unlinking);
  }
}
