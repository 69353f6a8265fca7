import type { Cache } from '../cache/cache.js';
import { ArgumentError, type CacheError } from '../errors.js';
import { escapeGlob } from '../keys/glob.js';
import { expected } from '../messages.js';
import { attempt, unawaited } from '../time/waiting.js';
import type { Milliseconds } from '../ttl.js';
import type { KeyvEntry } from './contract.js';
import { type KeyvTexts, Unencodable } from './envelope.js';
import type { KeyPrefix } from './namespace.js';

/** 1973. No entry that Keyv 6 writes expired before that. */
const firstInstant: Milliseconds = 1e11;

/** How many keys an iteration reads at a time. */
const pageSize = 100;

/** How a Keyv calls its adapter. */
export interface KeyvDialect {
  readonly prefix: KeyPrefix;
  readonly texts: KeyvTexts;
  /** Whether a Keyv 6 has announced itself: keys have no prefix and times are absolute. */
  isAnnounced(): boolean;
}

/** Writes and deletions in the terms of Keyv, whose contract has no place for a failed deletion: the `error` event tells. */
export class KeyvEntries {
  readonly cache: Cache;
  readonly #dialect: KeyvDialect;

  constructor(cache: Cache, dialect: KeyvDialect) {
    this.cache = cache;
    this.#dialect = dialect;
  }

  /** `time`: milliseconds from now; for Keyv 6, milliseconds since 1970. @returns whether it was stored */
  set(key: string, value: unknown, time?: Milliseconds): Promise<boolean> {
    const bare = this.#bare(key);
    if (value instanceof Unencodable) {
      // It is not stored, and the entry that it was to replace is deleted.
      this.report('set', bare, value.reason);
      return this.#unlinkOld(bare);
    }
    this.#dialect.texts.written(value);
    if (!this.#dialect.isAnnounced() || typeof time !== 'number') return this.cache.writer.set(bare, value, time);
    const left = time - Date.now();
    if (left > 0) return this.cache.writer.set(bare, value, left);
    if (time < firstInstant) {
      // Keyv 6 never computes such a time: a Keyv 4 or 5 has taken an adapter of Keyv 6.
      const what = 'milliseconds since 1970: a Keyv 6 has this adapter, and a Keyv 4 or 5 needs one of its own';
      this.report('set', bare, new ArgumentError(expected('expires', what, time)));
    }
    return this.#unlinkOld(bare);
  }

  async setMany(entries: readonly KeyvEntry[]): Promise<boolean[]> {
    const isAbsolute = this.#dialect.isAnnounced();
    const isPlain = ({ value, expires = Number.POSITIVE_INFINITY }: KeyvEntry): boolean =>
      !(value instanceof Unencodable) && !(isAbsolute && expires <= Date.now());
    const [plain, odd] = [entries.filter(isPlain), entries.filter((entry) => !isPlain(entry))];
    for (const { value } of plain) this.#dialect.texts.written(value);
    const now = Date.now();
    const timed = plain.map(({ key, value, ttl, expires }) => {
      const left = isAbsolute && typeof expires === 'number' ? Math.max(1, expires - now) : ttl;
      return [this.#bare(key), value, left] as const;
    });
    // The last entry of a key wins: deletions of a key that a later entry stores start before it.
    const last = new Map(entries.map((entry) => [entry.key, entry]));
    const isLast = (entry: KeyvEntry): boolean => last.get(entry.key) === entry;
    const unlink = ({ key, value, expires }: KeyvEntry): Promise<boolean> => this.set(key, value, expires);
    const before = odd.filter((entry) => !isLast(entry)).map(unlink);
    const storing = this.cache.writer.setMany(timed);
    const [stored] = await Promise.all([storing, ...before, ...odd.filter(isLast).map(unlink)]);
    const results = new Map(plain.map((entry, i) => [entry, stored[i]]));
    return entries.map((entry) => results.get(entry) === true);
  }

  delete(key: string): Promise<boolean> {
    const unlinked = this.#orElse(this.cache.writer.unlinkCounted([this.#bare(key)], 'delete'), 0);
    return unawaited(unlinked.then((count) => count > 0));
  }

  deleteMany(keys: readonly string[]): Promise<boolean[] | boolean> {
    const { writer } = this.cache;
    return this.each<boolean[] | boolean>(keys, (bare) => {
      if (this.#dialect.isAnnounced())
        return this.#orElse(
          writer.unlinkEach(bare),
          bare.map(() => false),
        );
      return this.#orElse(writer.unlinkCounted(bare, 'deleteMany'), 0).then((count) => count > 0);
    });
  }

  /** A string (`@keyvhq/core` passes its namespace) limits it to keys that begin with it and a colon. */
  async clear(options?: { readonly lazy?: boolean } | string): Promise<void> {
    const { scans } = this.cache;
    const isNamespace = typeof options === 'string' && options !== '';
    await this.#orElse(isNamespace ? scans.clearPattern(`${escapeGlob(`${options}:`)}*`) : scans.clear(options || undefined), undefined);
  }

  /** All keys with their values, as Keyv iterates. */
  async *iterate<Value>(): AsyncGenerator<[string, Value], void, undefined> {
    let page: string[] = [];
    for await (const key of this.cache.scans.iterate()) {
      page.push(key);
      if (page.length < pageSize) continue;
      yield* this.#page<Value>(page);
      page = [];
    }
    yield* this.#page<Value>(page);
  }

  async *#page<Value>(keys: readonly string[]): AsyncGenerator<[string, Value], void, undefined> {
    const values = await this.cache.reader.getMany<Value>(keys, 'iterator');
    for (const [i, key] of keys.entries()) {
      const value = values[i];
      if (value !== undefined && (await this.#dialect.texts.iterable(value))) yield [this.#dialect.prefix.restore(key), value];
    }
  }

  /** Runs a call on many keys without Keyv's prefix. It rejects, and does not throw, if `keys` is not an array. */
  each<T>(keys: readonly string[], work: (bare: string[]) => Promise<T>): Promise<T> {
    return unawaited(attempt(() => work(keys.map((key) => this.#bare(key)))));
  }

  /** Emits and counts an error that no call of the cache reports. */
  report(operation: string, key: string | undefined, error: CacheError | ArgumentError): void {
    const { counters, events } = this.cache.context;
    counters.failed(error);
    events.emit('error', Object.assign(error, key === undefined ? { operation } : { operation, key }));
  }

  #bare(key: string): string {
    return this.#dialect.prefix.strip(key);
  }

  /** The answer of a deletion, or `otherwise` if it failed. */
  async #orElse<T>(deletion: Promise<T>, otherwise: T): Promise<T> {
    try {
      return await deletion;
    } catch (error) {
      if (this.cache.context.onFailure === 'throw') throw error;
      return otherwise;
    }
  }

  #unlinkOld(key: string): Promise<boolean> {
    const unlinked = this.#orElse(this.cache.writer.unlink([key], 'set'), undefined);
    return unawaited(unlinked.then(() => false));
  }
}
