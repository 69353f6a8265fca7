import { checkArgument } from '../checks.js';
import { asMissing, type ReadEntry, type Stored, StoredEntry, type TagGenerations } from '../codec/entry.js';
import { isCurrent, newId, type Validity, validityAmong, validityOf } from '../codec/generation.js';
import { type MaybePromise, then } from '../codec/serializers.js';
import { batchSize } from '../commands/commands.js';
import { unlessRefused } from '../connection/trial.js';
import { ArgumentError, UnsupportedError } from '../errors.js';
import type { KeySpace } from '../keys/keyspace.js';
import { withTimeout } from '../time/deadlines.js';
import type { RedisTtl } from '../ttl.js';
import type { CacheContext } from './context.js';
import { EntryPrefixes } from './entry-prefixes.js';
import { TagReader } from './tag-generations.js';

/** The tag of the whole store, which every entry carries under `lazyClear`. No tag of a caller is empty. */
const wholeStore = '';

/** The most tags of one call of `invalidateTags`: ten commands. */
const maxInvalidated = 10_000;

/**
 * Tags, by generations. Each tag in use has a key in Redis that holds a random id, its generation. An entry carries its tags and their
 * generations of when it was written, and is valid while each is the same. Invalidating a tag deletes its key: the next write makes a new
 * id, which no entry has. So there is no clock, no list of the entries of a tag, and an evicted key brings nothing back.
 */
export class Tags {
  readonly lazy: boolean;
  readonly strict: boolean;
  readonly prefixes: EntryPrefixes;
  readonly #context: CacheContext;
  readonly #generations: TagReader;

  constructor(context: CacheContext) {
    this.#context = context;
    this.prefixes = new EntryPrefixes(context.commands);
    this.#generations = new TagReader(context, (tag) => this.#redisKey(tag));
    this.lazy = context.tagging.lazy;
    this.strict = context.tagging.strict;
  }

  /** Whether tags decide if the entry counts: it carries some, or should. */
  needsTagCheck(entry: ReadEntry): entry is StoredEntry {
    return entry.found && (this.lazy || entry.isTagged);
  }

  /** Reads ahead what every entry of the store needs, so that it arrives with the entry. Called once the read of the entry has begun. */
  prefetch(): Promise<unknown> | undefined {
    if (!this.lazy) return undefined;
    const asked = this.#context.commands.get(this.#redisKey(wholeStore));
    asked.catch(() => {});
    return asked;
  }

  /** Whether the tags of one entry are valid: `check` without the lists, for it is most of what a tagged read costs. */
  isValid({ isTagged, tags }: StoredEntry, prefetch?: Promise<unknown>): MaybePromise<boolean> {
    if (tags === undefined) return isTagged || !this.lazy;
    if (tags.size > 1 || prefetch) return this.#now(tags.keys(), prefetch).then((now) => isCurrent(tags, now));
    const [[name, id]] = tags as unknown as [[string, string]];
    return this.#ask(name).then((now) => now.found && validityOf(id, String(now.bytes)) === 'valid');
  }

  /** Whether the near tier alone shows that the tags of the entry are valid. */
  areValidNearby({ tags }: StoredEntry): boolean {
    const { near } = this.#context;
    if (near === undefined || tags === undefined) return false;
    for (const [name, id] of tags) {
      const now = near.find(this.#redisKey(name))?.entry;
      if (!now?.found || validityOf(id, String(now.bytes)) !== 'valid') return false;
    }
    return true;
  }

  /**
   * The entries whose tags are valid; the others are missing. A damaged list is left to the codec, which reports it. Redis: GET of each
   * tag, in one MGET with others of the tick.
   */
  async check(entries: readonly ReadEntry[], prefetch?: Promise<unknown>): Promise<ReadEntry[]> {
    const validities = await this.validities(entries, prefetch);
    return entries.map((entry, i) => (validities[i] === 'valid' ? entry : asMissing(entry)));
  }

  /** What the tags make of each entry: `stale` if `expireTags` has ended its time. */
  async validities(entries: readonly ReadEntry[], prefetch?: Promise<unknown>): Promise<Validity[]> {
    const names = new Set(entries.flatMap((entry) => (entry.found && entry.tags ? [...entry.tags.keys()] : [])));
    const now = await this.#now(names, prefetch);
    return entries.map((entry) => {
      if (!this.needsTagCheck(entry)) return 'valid';
      // Without a generation, a lazy clear may have meant it too.
      if (!entry.isTagged) return 'invalid';
      return entry.tags === undefined ? 'valid' : validityAmong(entry.tags, now);
    });
  }

  /**
   * The generations of the tags now, made if there are none, for an entry that Redis keeps for `life`. Read them before the value is made,
   * so that an invalidation meanwhile wins. Redis: GET of each; a script for a tag that is new or has to live longer. No promise if the near
   * tier holds all of them.
   */
  generations(tags: readonly string[], life: RedisTtl): MaybePromise<TagGenerations> {
    const names = this.lazy ? [wholeStore, ...tags] : tags;
    return this.#generations.findNear(names, life) ?? this.#generations.read(names, life);
  }

  /**
   * The generations that an entry with these tags carries; `undefined` without any. `life`: how long Redis keeps the entry. `earlier`:
   * generations that were read before, when the time to live was not known.
   */
  generationsFor(tags: readonly string[], life: RedisTtl, earlier?: TagGenerations): MaybePromise<TagGenerations> | undefined {
    if (tags.length === 0 && !this.lazy) return undefined;
    const later = tags.filter((tag) => !earlier?.has(tag));
    // The caller does not wait for it: if it fails, the entry is a miss before its time.
    if (earlier) this.#extend(earlier, life)?.catch(() => {});
    if (earlier && later.length === 0) return earlier;
    const read = this.generations(later, life);
    return earlier ? then(read, (others) => new Map([...others, ...earlier])) : read;
  }

  /**
   * Lets the tags of an entry live as long as the entry, whose time to live is now `ttl` before its stale window. `prefix`: its first bytes.
   * Redis: a script for each tag that is not known to live as long.
   */
  async outlast(redisKey: string, prefix: Stored, ttl: RedisTtl): Promise<void> {
    const { isTagged, tags, staleFor } = StoredEntry.parse(prefix);
    if (!isTagged) return;
    const generations = tags ?? (await this.prefixes.whole(redisKey))?.tags;
    if (generations) await this.#extend(generations, ttl === undefined ? undefined : ttl + staleFor);
  }

  /** @throws {ArgumentError} if the keys of the store leave no place for tags */
  checkPlace(): NonNullable<KeySpace['tags']> {
    if (this.#context.keys.tags) return this.#context.keys.tags;
    throw new ArgumentError('there is no place for tags if `keyFunction` or a literal `keyPrefix` makes the keys: leave `tags` out');
  }

  /** Makes every entry with one of the tags a miss, within one deadline. Redis: UNLINK of as many keys as there are tags. */
  async invalidate(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const tags = [...new Set(names)];
    checkArgument('tags', `at most ${maxInvalidated} tags`, tags.length, tags.length <= maxInvalidated);
    this.#context.tagMemory.invalidated(tags);
    const keys = tags.map((tag) => this.#redisKey(tag));
    // Parts that wait for each other would each have a deadline of its own.
    const unlinked: Promise<number>[] = [];
    for (let from = 0; from < keys.length; from += batchSize)
      unlinked.push(this.#context.commands.unlink(keys.slice(from, from + batchSize)));
    await Promise.all(unlinked);
  }

  /** Makes every entry with one of the tags stale, within one deadline. Redis: a script for each tag. */
  async expire(names: readonly string[]): Promise<void> {
    const tags = [...new Set(names)];
    checkArgument('tags', `at most ${maxInvalidated} tags`, tags.length, tags.length <= maxInvalidated);
    this.#context.tagMemory.invalidated(tags);
    await Promise.all(tags.map((tag) => this.#context.commands.expireGeneration(this.#redisKey(tag), newId())));
  }

  /** Makes every entry of the store a miss. */
  async invalidateAll(): Promise<void> {
    if (!this.lazy)
      throw new UnsupportedError('`clear({ lazy: true })` needs the option `lazyClear: true`, in every store that shares the keys');
    await this.invalidate([wholeStore]);
  }

  /** Whether each entry exists and its tags are valid, within one deadline. Redis: GETRANGE, pipelined, and GET of the tags. */
  areValid(redisKeys: readonly string[]): Promise<boolean[]> {
    return withTimeout(this.#areValid(redisKeys), this.#context.timeout * Math.ceil(redisKeys.length / batchSize));
  }

  async #areValid(redisKeys: readonly string[]): Promise<boolean[]> {
    const prefixes = await this.prefixes.of(redisKeys);
    return Promise.all(
      prefixes.map(async ({ key, prefix, entry }) => {
        if (entry?.tags) return isCurrent(entry.tags, await this.#now(entry.tags.keys()));
        // A value without bytes exists as well.
        return !this.lazy && (prefix === null ? this.#context.commands.has(key) : entry !== undefined && !entry.isTagged);
      }),
    );
  }

  /**
   * The answer about an entry, or `otherwise` if its tags are invalid and an option says that there may be some. Both are asked at once,
   * so that calls on one key keep their order: what is done to an invalid entry does no harm.
   */
  ifValid<T>(redisKey: string, ask: () => Promise<T>, otherwise: T): Promise<T> {
    const answer = ask();
    if (!this.strict) return answer;
    const askValid = (): Promise<boolean[]> => this.areValid([redisKey]);
    const valid = askValid();
    return Promise.all([unlessRefused(answer, valid, ask), unlessRefused(valid, answer, askValid)]).then(([answered, [isValid]]) =>
      isValid ? answered : otherwise,
    );
  }

  /**
   * Deletes those of the entries that a lazy clear has made misses. Redis: GETRANGE, pipelined; GET of the generation; and for each a script
   * that deletes it if it is unchanged.
   */
  async unlinkCleared(redisKeys: readonly string[]): Promise<number> {
    const { commands } = this.#context;
    const prefixes = await this.prefixes.of(redisKeys);
    // Asked after the entries: an id other than the generation now was it before, and never is again.
    const now = (await this.#now([wholeStore])).get(wholeStore);
    const cleared = prefixes.flatMap(({ key, prefix, entry }) => {
      const id = entry?.tags?.get(wholeStore);
      if (!prefix || !entry || id === undefined || id === now) return [];
      return [{ key, prefix: entry.header ?? Buffer.alloc(0) }];
    });
    return cleared.length === 0 ? 0 : commands.unlinkUnchanged(cleared);
  }

  /** The generations now. Those of one tick leave as one MGET. */
  async #now(names: Iterable<string>, prefetch?: Promise<unknown>): Promise<TagGenerations> {
    const list = [...names];
    const answers = await Promise.all(
      list.map((name) =>
        name === wholeStore && prefetch ? unlessRefused(prefetch as Promise<ReadEntry>, undefined, () => this.#ask(name)) : this.#ask(name),
      ),
    );
    return new Map(list.flatMap((name, i) => (answers[i]?.found ? [[name, String(answers[i].bytes)] as const] : [])));
  }

  #ask(name: string): Promise<ReadEntry> {
    return this.#context.commands.get(this.#redisKey(name));
  }

  #extend(generations: TagGenerations, life: RedisTtl): Promise<unknown> | undefined {
    return this.#generations.extend([...generations.keys()], life);
  }

  #redisKey(tag: string): string {
    return this.checkPlace().toRedisKey(tag);
  }
}
