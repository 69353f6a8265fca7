import { Cache } from './cache.js';
import { isTagged } from './codec/tag-header.js';
import type { Page } from './commands/commands.js';
import type { CallOptions } from './connection/guard.js';
import { ArgumentError, expected, MissingKeyError, UnsupportedError } from './errors.js';
import { type ClearOptions, parseClear } from './extras/clear-options.js';
import { OneAtATime } from './extras/one-at-a-time.js';
import { parseReencode, type ReencodeOptions, type ReencodeProgress, rewrite, slice } from './extras/reencode.js';
import { globToRegExp } from './keys/glob.js';
import { allVersions, type KeySpace, namedBy } from './keys/keyspace.js';
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
    for await (const { keys } of this.#reporting('iterate', this.#living(pattern))) yield* keys;
  }

  /**
   * All keys, or those that match a Redis glob pattern, each once. Redis: SCAN, never KEYS. Needs memory for all of them,
   * which `iterate` does not. Fails loud.
   */
  keys(pattern?: string): Promise<string[]> {
    return this.policy.loud({ name: 'keys' }, async () => {
      const found = new Set<string>();
      for await (const { keys } of this.#living(pattern)) for (const key of keys) found.add(key);
      return [...found];
    });
  }

  /** Deletes the keys that match a Redis glob pattern. Redis: SCAN and UNLINK, in batches. Fails loud. @returns how many */
  delPattern(pattern: string): Promise<number> {
    return this.policy.loud({ name: 'delPattern' }, async () => {
      if (typeof pattern !== 'string') throw new ArgumentError(expected('pattern', 'a string', pattern));
      // A load under way is overtaken even if its key is not in Redis yet, where no scan finds it.
      this.parts.flights.forgetThose(this.#matching(pattern));
      return this.#unlinkAll(this.#pages(pattern));
    });
  }

  /**
   * Deletes the entries of this store: those under its prefix and version, nothing else. `{ version }` deletes those of
   * another version instead, `{ allVersions: true }` those of all. Redis: SCAN and UNLINK, in batches. Fails loud.
   *
   * `{ lazy: true }` makes them misses by one UNLINK, whatever their number, and deletes them in the background: see {@link sweep}.
   * What is written meanwhile stays.
   *
   * @throws {UnsupportedError} for `lazy` without the option `lazyClear`
   * @throws {ArgumentError} for an unknown name, and for a `version` that is there and is none, `undefined` included
   */
  clear(options?: ClearOptions): Promise<void> {
    return this.policy.loud({ name: 'clear' }, async () => {
      const scope = parseClear(options);
      await (scope.lazy ? this.#clearLazily(scope) : this.#clear(scope));
    });
  }

  /** Deletes the keys that match a Redis glob pattern, as `clear`: it waits for Redis likewise, and its errors name `clear`. @internal */
  clearPattern(pattern: string): Promise<void> {
    return this.policy.loud({ name: 'clear' }, async () => {
      const matches = this.#matching(pattern);
      this.parts.flights.forgetThose(matches);
      await this.#orLater(`pattern ${pattern}`, matches, async (cache) => {
        await cache.#unlinkAll(cache.#pages(pattern));
      });
    });
  }

  async #clear(scope: ClearOptions): Promise<void> {
    const space = this.#spaceOf(scope);
    this.parts.flights.forgetAll();
    // A key function of the user's own may fail, and knows no versions: all keys of its store are in scope.
    const hides = this.parts.keys.varies ? () => true : (wire: string) => space.owns(wire);
    await this.#orLater(scopeName(scope), hides, async (cache) => {
      await cache.#unlinkAll(cache.#owned(space));
      cache.tags.cleared();
    });
  }

  /** What the same cache is made of, for calls with other bounds. @internal */
  protected bounded({ timeout, signal }: CallOptions): ScopeParts {
    return { ...this.parts, verbs: this.parts.within({ timeout, signal }), timeout: timeout ?? this.parts.timeout, signal };
  }

  /** Runs a clear, now or, if it can wait, when Redis is back. */
  async #orLater(scope: string, hides: (wire: string) => boolean, clear: (cache: ScopedCache) => Promise<void>): Promise<void> {
    try {
      await clear(this);
    } catch (error) {
      const refused = (failure: unknown): void => void this.policy.report({ name: 'clear' }, failure);
      // The caller's signal ends with the call, which is told that the clear waits.
      const run = (): Promise<void> => clear(this.parts.signal ? new ScopedCache(this.bounded({})) : this);
      const name = `${this.parts.keys.scan().glob} ${scope}`;
      if (!this.parts.clearLater?.(error, { scope: name, hides, run, refused })) throw error;
      this.parts.near?.invalidated(null);
    }
  }

  /** Whether a key in Redis is one that the pattern matches. */
  #matching(pattern: string): (wire: string) => boolean {
    const { keys } = this.parts;
    const { glob, test } = keys.scan(pattern);
    const regexp = globToRegExp(glob);
    return (wire) => {
      const key = regexp.test(wire) ? namedBy(keys, wire) : undefined;
      return key !== undefined && test?.(key) !== false;
    };
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
    let count = 0;
    for await (const { wires } of this.#entries()) {
      if (wires.length > 0) count += await this.tags.sweep(wires);
      if (signal?.aborted) break;
    }
    return count;
  }

  async #clearLazily({ version, allVersions: everyVersion }: ClearOptions): Promise<void> {
    if (version !== undefined || everyVersion)
      throw new ArgumentError(expected('lazy', 'left out beside `version` and `allVersions`', true));
    this.parts.flights.forgetAll();
    await this.tags.invalidateAll();
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
      const [from, to] = [keys.toWire(key), keysOf(String(next)).toWire(key)];
      for (const wire of [from, to]) this.parts.flights.forget(wire);
      if (!(await commands.rename(from, to))) throw new MissingKeyError();
      return next;
    });
  }

  /**
   * Rewrites every entry of this store with the current serializer, compression and encryption key, keeping its time to live. Yields its
   * progress after every page, with a cursor that a later call can go on from. An entry that changes meanwhile keeps its
   * newer value, and one whose value would not come back the same stays as it is. Redis: SCAN, MGET, and a compare-and-set script. Fails loud.
   */
  async *reencode(options?: ReencodeOptions): AsyncGenerator<ReencodeProgress, void, undefined> {
    const { cursor } = parseReencode(options);
    const progress = {
      scanned: 0,
      rewritten: 0,
      unreadable: 0,
      left: 0,
      cursor: cursor ?? '0',
    };
    const { keys, codec, commands } = this.parts;
    const unreadable = (wire: string, error: unknown): void => {
      this.policy.report({ name: 'reencode', key: namedBy(keys, wire) }, error);
    };
    for await (const { wires, next } of this.#reporting('reencode', this.#entries(cursor))) {
      for (let i = 0; i < wires.length; i += slice) {
        const outcomes = await this.policy.loud({ name: 'reencode' }, () =>
          rewrite(wires.slice(i, i + slice), { codec, commands, unreadable }),
        );
        progress.rewritten += outcomes.filter((outcome) => outcome === 'rewritten').length;
        progress.left += outcomes.filter((outcome) => outcome === 'left').length;
        progress.unreadable += outcomes.filter((outcome) => outcome === 'unreadable').length;
      }
      progress.cursor = next;
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
  async *#pages(pattern: string | undefined): AsyncGenerator<{ keys: string[]; wires: string[] }, void, undefined> {
    const { keys: space } = this.parts;
    if (pattern !== undefined && typeof pattern !== 'string') throw new ArgumentError(expected('pattern', 'a string', pattern));
    const { glob, test } = space.scan(pattern);
    for await (const page of this.#found(glob)) {
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

  /** The pages without invalidated entries, if an option says that there may be some. */
  async *#living(pattern: string | undefined): AsyncGenerator<{ keys: string[] }, void, undefined> {
    for await (const page of this.#pages(pattern)) {
      if (!this.tags.exact || page.keys.length === 0) yield page;
      else {
        const alive = await this.tags.living(page.wires);
        yield { keys: page.keys.filter((_, i) => alive[i]) };
      }
    }
  }

  /** The pages of the entries of this store, without the keys beside them. */
  async *#entries(cursor?: string): AsyncGenerator<{ wires: string[]; next: string }, void, undefined> {
    const { keys } = this.parts;
    const isEntry = (key: string | Buffer): key is string => typeof key === 'string' && keys.owns(key) && !keys.isAside?.(key);
    for await (const { keys: found, next } of this.#found(keys.scan().glob, cursor)) yield { wires: found.filter(isEntry), next };
  }

  async *#owned(space: Pick<KeySpace, 'scan' | 'owns'>): AsyncGenerator<{ wires: (string | Buffer)[] }, void, undefined> {
    for await (const page of this.#found(space.scan().glob)) yield { wires: page.keys.filter((key) => space.owns(String(key))) };
  }

  /** The same pages, failing loud. */
  async *#reporting<T>(name: string, pages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* pages;
    } catch (error) {
      throw this.policy.report({ name }, error);
    }
  }

  #found(glob: string, cursor?: string): AsyncGenerator<Page, void, undefined> {
    if (!this.parts.reversible) throw new UnsupportedError('this needs the option `parseKey` where `keyFunction` makes the keys');
    return this.parts.commands.scan(glob, cursor);
  }

  /** UNLINK of a page while the next ones are being scanned. At most two are under way, so that Redis need not wait for us between them. */
  async #unlinkAll(pages: AsyncIterable<{ wires: readonly (string | Buffer)[] }>): Promise<number> {
    let count = 0;
    let [older, newer] = [Promise.resolve(0), Promise.resolve(0)];
    for await (const { wires } of pages) {
      if (wires.length === 0) continue;
      count += await older;
      older = newer;
      for (const wire of wires) this.parts.flights.forget(String(wire));
      newer = this.parts.commands.sweep(wires);
      // Awaited in a later turn; a rejection must not go unhandled until then.
      newer.catch(() => {});
    }
    return count + (await older) + (await newer);
  }
}

/** The same for two clears that delete the same. */
function scopeName({ version, allVersions: all }: ClearOptions): string {
  if (all) return 'all versions';
  return version === undefined ? 'own' : `version ${version}`;
}
