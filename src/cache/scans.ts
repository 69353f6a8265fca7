import { checkArgument } from '../checks.js';
import type { Page } from '../commands/commands.js';
import { MissingKeyError, UnsupportedError } from '../errors.js';
import { globMatcher } from '../keys/glob.js';
import { allVersions, type KeySpace, keyName } from '../keys/keyspace.js';
import { OneAtATime } from '../time/background.js';
import { type ClearOptions, checkPattern, parseClear } from './call-options.js';
import { parseReencode, type ReencodeOptions, type ReencodeProgress, Reencoder } from './reencode.js';
import type { CacheCore, Values } from './values.js';

/** How a cache with the bounds of the store runs a clear that waited for Redis. */
type RunLater = (clear: (scans: Scans) => Promise<void>) => Promise<void>;

type OwnKeys = Pick<KeySpace, 'scan' | 'owns' | 'ownsAll'>;

/** Operations on all entries of a store. They scan in pages, never send KEYS, and touch nothing but their own keys. */
export class Scans {
  readonly #cache: CacheCore & { readonly values: Values };
  readonly #runLater: RunLater;
  readonly #clearing = new OneAtATime(() => this.#unlinkInBackground());

  constructor(cache: CacheCore & { readonly values: Values }, runLater: RunLater) {
    this.#cache = cache;
    this.#runLater = runLater;
  }

  async *iterate(pattern?: string): AsyncGenerator<string, void, undefined> {
    for await (const { keys } of this.#failingLoud('iterate', this.#validPages(pattern))) yield* keys;
  }

  keys(pattern?: string): Promise<string[]> {
    return this.#cache.policy.failLoud({ name: 'keys' }, async () => {
      const found = new Set<string>();
      for await (const { keys } of this.#validPages(pattern)) for (const key of keys) found.add(key);
      return [...found];
    });
  }

  delPattern(pattern: string): Promise<number> {
    return this.#cache.policy.failLoud({ name: 'delPattern' }, async () => {
      checkPattern(pattern);
      this.#checkScope();
      // A load under way is overtaken even if its key is not in Redis yet, so that no scan finds it.
      this.#cache.context.loads.forgetThose(this.#matches(pattern));
      return this.#unlinkAll(this.#pages(pattern));
    });
  }

  clear(options?: ClearOptions): Promise<void> {
    return this.#cache.policy.failLoud({ name: 'clear' }, async () => {
      const scope = parseClear(options);
      await (scope.lazy ? this.#clearLazily(scope) : this.#clear(scope));
    });
  }

  /** Deletes the keys that match a Redis glob pattern. Like `clear`, it waits for Redis if it can, and its errors name `clear`. */
  clearPattern(pattern: string): Promise<void> {
    return this.#cache.policy.failLoud({ name: 'clear' }, async () => {
      checkPattern(pattern);
      this.#checkScope();
      const matches = this.#matches(pattern);
      this.#cache.context.loads.forgetThose(matches);
      await this.#orLater(`pattern ${pattern}`, matches, async (scans) => {
        await scans.#unlinkAll(scans.#pages(pattern));
      });
    });
  }

  async #clear(scope: ClearOptions): Promise<void> {
    const space = this.#spaceOf(scope);
    this.#checkScope(space);
    this.#cache.context.loads.forgetAll();
    // A key function of the user may fail, and knows no versions: all keys of its store are in scope.
    const hides = this.#cache.context.keys.varies ? () => true : (redisKey: string) => space.owns(redisKey);
    await this.#orLater(scopeName(scope), hides, async (scans) => {
      await scans.#unlinkAll(scans.#ownPages(space));
      scans.#cache.context.tagMemory.cleared();
    });
  }

  /** Runs a clear now or, if it can wait, when Redis is back. */
  async #orLater(scope: string, hides: (redisKey: string) => boolean, clear: (scans: Scans) => Promise<void>): Promise<void> {
    const { keys, clearLater, near } = this.#cache.context;
    try {
      await clear(this);
    } catch (error) {
      const refused = (failure: unknown): void => void this.#cache.policy.report({ name: 'clear' }, failure);
      const run = (): Promise<void> => this.#runLater(clear);
      if (!clearLater?.(error, { scope: `${keys.scan().glob} ${scope}`, hides, run, refused })) throw error;
      near?.invalidated(null);
    }
  }

  sweep(): Promise<number> {
    return this.#cache.policy.failLoud({ name: 'sweep' }, () => this.#unlinkCleared());
  }

  /** A later sweep finishes it if the store is disconnected. */
  async #unlinkInBackground(): Promise<void> {
    const { signal } = this.#cache.context.background;
    try {
      await this.#unlinkCleared(signal);
    } catch (error) {
      if (!signal.aborted) this.#cache.policy.report({ name: 'sweep' }, error);
    }
  }

  async #unlinkCleared(signal?: AbortSignal): Promise<number> {
    this.#checkScope();
    let count = 0;
    for await (const { redisKeys } of this.#entryPages()) {
      if (redisKeys.length > 0) count += await this.#cache.tags.unlinkCleared(redisKeys);
      if (signal?.aborted) break;
    }
    return count;
  }

  async #clearLazily({ version, allVersions: everyVersion }: ClearOptions): Promise<void> {
    checkArgument('lazy', 'left out beside `version` and `allVersions`', true, version === undefined && !everyVersion);
    this.#checkScope();
    this.#cache.context.loads.forgetAll();
    await this.#cache.tags.invalidateAll();
    this.#cache.context.background.add(this.#clearing.start());
  }

  incrVersion(key: string, delta = 1): Promise<number> {
    return this.#cache.policy.failLoud({ name: 'incrVersion', key }, async () => {
      const { version, keysOf, keys, commands, codec, loads } = this.#cache.context;
      if (codec.encrypted) throw new UnsupportedError('an entry under `encryption` is bound to its key: incrVersion cannot move it');
      if (!keysOf || version === undefined || !/^\d+$/.test(version)) {
        throw new UnsupportedError(`incrVersion needs the option \`version\` to be a number, it is \`${version ?? 'not set'}\``);
      }
      const next = Number(version) + delta;
      checkArgument('delta', 'an integer that leads to a version ≥ 0', delta, Number.isSafeInteger(next) && next >= 0);
      const [from, to] = [keys.toRedisKey(key), keysOf(String(next)).toRedisKey(key)];
      if (await this.#cache.tags.prefixes.isTagged(from))
        throw new UnsupportedError('an entry with tags cannot be moved: its tags belong to the version it was written under');
      for (const redisKey of [from, to]) loads.forget(redisKey);
      if (!(await commands.rename(from, to))) throw new MissingKeyError();
      return next;
    });
  }

  async *reencode(options?: ReencodeOptions): AsyncGenerator<ReencodeProgress, void, undefined> {
    const { cursor } = parseReencode(options);
    this.#cache.policy.parsed({ name: 'reencode' }, () => this.#checkScope());
    const reencoder = new Reencoder(this.#cache);
    for await (const { redisKeys, next } of this.#failingLoud('reencode', this.#entryPages(cursor))) {
      yield await this.#cache.policy.failLoud({ name: 'reencode' }, () => reencoder.rewritePage(redisKeys, next));
    }
  }

  #matches(pattern: string): (redisKey: string) => boolean {
    const { keys } = this.#cache.context;
    const { glob, test } = keys.scan(pattern);
    const isLike = globMatcher(glob);
    return (redisKey) => {
      const key = isLike(redisKey) ? keyName(keys, redisKey) : undefined;
      return key !== undefined && test?.(key) !== false;
    };
  }

  #spaceOf({ version, allVersions: all }: ClearOptions): OwnKeys {
    const { keys, keysOf, prefix } = this.#cache.context;
    if (version === undefined && !all) return keys;
    if (!keysOf) throw new UnsupportedError('there are no versions if `keyFunction` makes the keys');
    return all ? allVersions(prefix) : keysOf(String(version));
  }

  /** A prefix may be empty by mistake, such as the id of a tenant that is missing. */
  #checkScope({ ownsAll = false }: Pick<KeySpace, 'ownsAll'> = this.#cache.context.keys): void {
    if (!ownsAll || this.#cache.context.wholeDatabase) return;
    throw new UnsupportedError(
      'with an empty prefix this changes keys of the whole database: set `prefix`, or `wholeDatabase: true` if it may',
    );
  }

  /** The pages of a scan, as callers' keys and as keys in Redis. */
  async *#pages(pattern: string | undefined): AsyncGenerator<{ keys: string[]; redisKeys: string[] }, void, undefined> {
    const { keys: space } = this.#cache.context;
    if (pattern !== undefined) checkPattern(pattern);
    const { glob, test } = space.scan(pattern);
    for await (const page of this.#scan(glob)) {
      const keys: string[] = [];
      const redisKeys: string[] = [];
      for (const redisKey of page.keys) {
        const key = typeof redisKey === 'string' ? space.fromRedisKey(redisKey) : undefined;
        if (key === undefined || test?.(key) === false) continue;
        keys.push(key);
        redisKeys.push(redisKey as string);
      }
      yield { keys, redisKeys };
    }
  }

  /** The pages without entries whose tags are invalid, if an option says that there may be some. */
  async *#validPages(pattern: string | undefined): AsyncGenerator<{ keys: string[] }, void, undefined> {
    for await (const { keys, redisKeys } of this.#pages(pattern)) {
      const valid = this.#cache.tags.strict && keys.length > 0 ? await this.#cache.tags.areValid(redisKeys) : undefined;
      yield { keys: valid ? keys.filter((_, i) => valid[i]) : keys };
    }
  }

  /** The pages of the entries of this store, without its internal keys. */
  async *#entryPages(cursor?: string): AsyncGenerator<{ redisKeys: string[]; next: string }, void, undefined> {
    const { keys } = this.#cache.context;
    const isEntry = (key: string | Buffer): key is string => typeof key === 'string' && keys.owns(key) && !keys.isInternalKey?.(key);
    for await (const { keys: found, next } of this.#scan(keys.scan().glob, cursor)) yield { redisKeys: found.filter(isEntry), next };
  }

  async *#ownPages(space: OwnKeys): AsyncGenerator<{ redisKeys: (string | Buffer)[] }, void, undefined> {
    for await (const { keys } of this.#scan(space.scan().glob)) yield { redisKeys: keys.filter((key) => space.owns(String(key))) };
  }

  async *#failingLoud<T>(operation: string, pages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* pages;
    } catch (error) {
      throw this.#cache.policy.report({ name: operation }, error);
    }
  }

  #scan(glob: string, cursor?: string): AsyncGenerator<Page, void, undefined> {
    if (!this.#cache.context.isReversible) throw new UnsupportedError('this needs the option `parseKey` if `keyFunction` makes the keys');
    return this.#cache.context.commands.scan(glob, cursor);
  }

  /** Deletes a page while the next ones are scanned. Two deletions are under way at most, so that Redis need not wait between them. */
  async #unlinkAll(pages: AsyncIterable<{ redisKeys: readonly (string | Buffer)[] }>): Promise<number> {
    const { commands, loads } = this.#cache.context;
    let count = 0;
    let [older, newer] = [Promise.resolve(0), Promise.resolve(0)];
    for await (const { redisKeys } of pages) {
      if (redisKeys.length === 0) continue;
      count += await older;
      older = newer;
      for (const redisKey of redisKeys) loads.forget(String(redisKey));
      newer = commands.unlink(redisKeys, { scanned: true });
      // Awaited in a later turn. Its rejection must not be unhandled until then.
      newer.catch(() => {});
    }
    return count + (await older) + (await newer);
  }
}

/** Names the scope of a clear: the same for two that delete the same. */
function scopeName({ version, allVersions: all }: ClearOptions): string {
  if (all) return 'all versions';
  return version === undefined ? 'own' : `version ${version}`;
}
