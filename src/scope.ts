import { Cache } from './cache.js';
import { isTagged } from './codec/tag-header.js';
import type { Page } from './commands/commands.js';
import type { CallOptions } from './connection/guard.js';
import { ArgumentError, expected, MissingKeyError, UnsupportedError } from './errors.js';
import { OneAtATime } from './extras/one-at-a-time.js';
import { type ReencodeOptions, type ReencodeProgress, rewrite, slice } from './extras/reencode.js';
import { allVersions, type KeySpace } from './keys/keyspace.js';
import { keptCommands } from './near/kept-commands.js';
import type { CacheParts, Wired } from './reads.js';
import { sawHits } from './telemetry/observed.js';

export interface ScopeParts extends CacheParts {
  readonly prefix: string;
  readonly version?: string | undefined;
  /** The key space of another version; left out where keys are made by a function of the user's own. */
  readonly keysOf?: ((version: string | undefined) => KeySpace) | undefined;
  /** Whether wire keys can be turned back, so that scans know whose they are. */
  readonly reversible: boolean;
}

/** What `clear` drops where it is not this store's own entries. */
export interface ClearOptions {
  /** The entries of another version. */
  readonly version?: string | number;
  /** The entries of every version, those without one included. */
  readonly allVersions?: boolean;
  /**
   * This store's own entries, in one step: none of them is read any more, and they are deleted in the background, at once or by
   * `sweep` in any later process. Needs the option `lazyClear`.
   */
  readonly lazy?: boolean;
}

/** Everything that concerns all the entries of a store at once. Scans in pages, never KEYS; touches nothing but its own. */
export class ScopedCache extends Cache {
  /** @internal */
  declare protected readonly parts: Wired<ScopeParts>;

  readonly #sweeping = new OneAtATime(() => this.#sweepAside());

  /** @internal */
  constructor(parts: ScopeParts) {
    super(parts);
  }

  /**
   * The same entries, with other bounds for the calls: `store.with({ timeout: 50 }).get(key)`, `store.with({ signal }).get(key)`.
   * Its calls are not coalesced, and have no order with those of the store that are still under way.
   */
  with(bounds: CallOptions): ScopedCache {
    const { timeout, signal } = bounds;
    if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout < 2 ** 31)) {
      throw new ArgumentError(expected('timeout', 'a number of milliseconds > 0', timeout));
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new ArgumentError(expected('signal', 'an AbortSignal', signal));
    return new ScopedCache({ ...this.parts, verbs: this.parts.within(bounds), timeout: timeout ?? this.parts.timeout });
  }

  /**
   * What this process keeps of the same entries, where it does. Nothing is asked of Redis, and nothing written.
   * @internal
   */
  kept(): ScopedCache | undefined {
    const { near } = this.parts;
    return near && new ScopedCache({ ...this.parts, verbs: () => keptCommands(near), saw: sawHits });
  }

  /**
   * The keys, page by page, as they were given; those that match a Redis glob pattern where there is one. Redis: SCAN.
   * A key that is there all the while comes at least once; one may come twice while Redis resizes its table.
   * Keys stored under a digest (`hashLongKeys`) cannot be listed. Fails loud: a shortened list would look like a whole one.
   */
  async *iterate(pattern?: string): AsyncGenerator<string, void, undefined> {
    for await (const { keys } of this.#living('iterate', pattern)) yield* keys;
  }

  /**
   * All keys, or those that match a Redis glob pattern, each once. Redis: SCAN, never KEYS. Needs memory for all of them,
   * which `iterate` does not. Fails loud.
   */
  async keys(pattern?: string): Promise<string[]> {
    const found = new Set<string>();
    for await (const { keys } of this.#living('keys', pattern)) for (const key of keys) found.add(key);
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
   *
   * `{ lazy: true }` makes them misses by one UNLINK, whatever their number, and deletes them in the background: see {@link sweep}.
   * What is written meanwhile stays.
   *
   * @throws {UnsupportedError} for `lazy` without the option `lazyClear`
   */
  async clear(options: ClearOptions = {}): Promise<void> {
    if (options.lazy) return this.#clearLazily(options);
    const space = await this.policy.loud({ name: 'clear' }, async () => this.#spaceOf(options));
    this.parts.flights.forgetAll();
    await this.#unlinkAll('clear', this.#owned('clear', space));
    this.tags.cleared();
  }

  /**
   * Deletes the entries that lazy clears have left, a page at a time. A lazy clear starts it by itself; this is for what a process
   * that ended could not finish. Redis: SCAN, GETRANGE, and a script that deletes an entry where it still is the same. Fails loud.
   *
   * @returns how many
   */
  sweep(): Promise<number> {
    return this.policy.loud({ name: 'sweep' }, () => this.#sweep());
  }

  /** In the background: what is left when the store is disconnected is for another sweep. */
  async #sweepAside(): Promise<void> {
    const { signal } = this.parts.background;
    try {
      await this.#sweep(signal);
    } catch (error) {
      if (!signal.aborted) this.policy.report({ name: 'sweep' }, error);
    }
  }

  async #sweep(signal?: AbortSignal): Promise<number> {
    const { keys } = this.parts;
    let count = 0;
    for await (const page of this.#found(keys.scan().glob)) {
      const wires = page.keys.filter((key) => typeof key === 'string' && keys.owns(key) && !keys.isAside?.(key)) as string[];
      if (wires.length > 0) count += await this.tags.sweep(wires);
      if (signal?.aborted) break;
    }
    return count;
  }

  async #clearLazily({ version, allVersions: everyVersion }: ClearOptions): Promise<void> {
    await this.policy.loud({ name: 'clear' }, async () => {
      if (version !== undefined || everyVersion)
        throw new ArgumentError(expected('lazy', 'left out beside `version` and `allVersions`', true));
      this.parts.flights.forgetAll();
      await this.tags.invalidateAll();
    });
    this.parts.background.add(this.#sweeping.start());
  }

  /**
   * Moves the entry to a later version (this store's plus `delta`) with its time to live. Redis: RENAME. Fails loud.
   *
   * @returns the version it is now under
   * @throws {MissingKeyError} where there is no such key
   * @throws {UnsupportedError} under `encryption`, which binds an entry to its key
   */
  incrVersion(key: string, delta = 1): Promise<number> {
    return this.policy.loud({ name: 'incrVersion', key }, async () => {
      const { version, keysOf, keys, commands, codec } = this.parts;
      if (codec.sealed) throw new UnsupportedError('an entry under `encryption` is bound to its key: incrVersion cannot move it');
      if (!keysOf || version === undefined || !/^\d+$/.test(version)) {
        throw new UnsupportedError(`incrVersion needs the option \`version\` to be a number, it is \`${version ?? 'not set'}\``);
      }
      const next = Number(version) + delta;
      if (!Number.isSafeInteger(next) || next < 0)
        throw new ArgumentError(expected('delta', 'an integer that leads to a version ≥ 0', delta));
      const [head] = await commands.heads([keys.toWire(key)], 64);
      if (head && isTagged(head))
        throw new UnsupportedError('an entry with tags cannot be moved: its tags belong to the version it was written under');
      if (!(await commands.rename(keys.toWire(key), keysOf(String(next)).toWire(key)))) throw new MissingKeyError();
      return next;
    });
  }

  /**
   * Rewrites every entry of this store with the current serializer, compression and encryption key, keeping its time to live. Yields its
   * progress after every page, with a cursor that a later call can go on from. An entry that changes meanwhile keeps its
   * newer value, and one whose value would not come back the same stays as it is. Redis: SCAN, MGET, and a compare-and-set script. Fails loud.
   */
  async *reencode(options: ReencodeOptions = {}): AsyncGenerator<ReencodeProgress, void, undefined> {
    const progress = {
      scanned: 0,
      rewritten: 0,
      unreadable: 0,
      left: 0,
      cursor: options.cursor ?? '0',
    };
    const { keys, codec, commands } = this.parts;
    const unreadable = (wire: string, error: unknown): void => {
      this.policy.report({ name: 'reencode', key: keys.fromWire(wire) }, error);
    };
    for await (const page of this.#scan('reencode', keys.scan().glob, options.cursor)) {
      const wires = page.keys.filter((key) => typeof key === 'string' && keys.owns(key) && !keys.isAside?.(key)) as string[];
      for (let i = 0; i < wires.length; i += slice) {
        const outcomes = await this.policy.loud({ name: 'reencode' }, () =>
          rewrite(wires.slice(i, i + slice), { codec, commands, unreadable }),
        );
        progress.rewritten += outcomes.filter((outcome) => outcome === 'rewritten').length;
        progress.left += outcomes.filter((outcome) => outcome === 'left').length;
        progress.unreadable += outcomes.filter((outcome) => outcome === 'unreadable').length;
      }
      progress.cursor = page.next;
      progress.scanned += wires.length;
      yield { ...progress };
    }
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

  /** The pages without what was invalidated, where an option says that there may be such. */
  async *#living(name: string, pattern: string | undefined): AsyncGenerator<{ keys: string[] }, void, undefined> {
    for await (const page of this.#pages(name, pattern)) {
      if (!this.tags.exact || page.keys.length === 0) yield page;
      else {
        const alive = await this.policy.loud({ name }, () => this.tags.living(page.wires));
        yield { keys: page.keys.filter((_, i) => alive[i]) };
      }
    }
  }

  async *#owned(name: string, space: Pick<KeySpace, 'scan' | 'owns'>): AsyncGenerator<{ wires: (string | Buffer)[] }, void, undefined> {
    for await (const page of this.#scan(name, space.scan().glob)) yield { wires: page.keys.filter((key) => space.owns(String(key))) };
  }

  /** SCAN, failing loud. */
  async *#scan(name: string, glob: string, cursor?: string): AsyncGenerator<Page, void, undefined> {
    try {
      yield* this.#found(glob, cursor);
    } catch (error) {
      throw this.policy.report({ name }, error);
    }
  }

  #found(glob: string, cursor?: string): AsyncGenerator<Page, void, undefined> {
    if (!this.parts.reversible) throw new UnsupportedError('this needs the option `parseKey` where `keyFunction` makes the keys');
    return this.parts.commands.scan(glob, cursor);
  }

  /** UNLINK of a page while the next ones are being scanned. Two are under way at the most, so that Redis need not wait for us between them. */
  async #unlinkAll(name: string, pages: AsyncIterable<{ wires: readonly (string | Buffer)[] }>): Promise<number> {
    let count = 0;
    let [older, newer] = [Promise.resolve(0), Promise.resolve(0)];
    for await (const { wires } of pages) {
      if (wires.length === 0) continue;
      count += await older;
      older = newer;
      newer = this.policy.loud({ name }, () => this.parts.commands.sweep(wires));
      // Awaited in a later turn; a rejection must not go unhandled until then.
      newer.catch(() => {});
    }
    return count + (await older) + (await newer);
  }
}
