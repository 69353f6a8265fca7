import { agingOf, mayBeStale } from '../codec/aging.js';
import type { Stored } from '../codec/codec.js';
import type { MaybePromise } from '../codec/serializers.js';
import { isTagged, type Stamps, type TagHeader, tagHeader, withTags } from '../codec/tag-header.js';
import { headLength } from '../commands/commands.js';
import type { OrderedCommands } from '../commands/in-order.js';
import { batch } from '../commands/redis.js';
import { answeredWithin, type GoOn } from '../connection/in-one-time.js';
import { ArgumentError, expected, UnsupportedError } from '../errors.js';
import type { KeySpace, TagSpace } from '../keys/keyspace.js';
import type { Milliseconds, WireTtl } from '../ttl.js';
import type { TagMemory } from './tag-memory.js';
import { TagStamps } from './tag-stamps.js';

/** The generation of the whole store, which every entry carries under `lazyClear`. No tag of a caller's is empty. */
const all = '';

/** Bytes that tell a stale window, and whether there are tags. */
const beginning = 64;

export interface TagSettings {
  /** Whether every entry carries the generation of the store: the option `lazyClear`. */
  readonly lazy: boolean;
  /** Whether `has`, `ttl`, `keys` and the like look at the tags: where an option says that there are some. */
  readonly exact: boolean;
}

/**
 * Tags, by generations. Each tag that is in use has a key of its own in Redis, which holds a random id. An entry carries its tags and
 * the ids they had when it was written; it counts while each of them is the same. To invalidate a tag is to delete its key: the next
 * write makes a new id, which no entry has seen. So there is no clock, no list of the entries of a tag, and nothing that an
 * evicted or lost key could bring back.
 */
export class Tags {
  readonly lazy: boolean;
  readonly exact: boolean;
  readonly #commands: OrderedCommands;
  readonly #keys: KeySpace;
  readonly #timeout: Milliseconds;
  readonly #memory: TagMemory;
  readonly #stamps: TagStamps;

  constructor(commands: OrderedCommands, keys: KeySpace, { lazy, exact }: TagSettings, timeout: Milliseconds, memory: TagMemory) {
    this.#commands = commands;
    this.#memory = memory;
    this.#stamps = new TagStamps(commands, memory, (tag) => this.#wire(tag));
    this.#timeout = timeout;
    this.#keys = keys;
    this.lazy = lazy;
    this.exact = exact;
  }

  /** Whether what was read has to be opened: it carries tags, or should. */
  concern(stored: Stored | null): stored is Stored {
    return stored !== null && (this.lazy || isTagged(stored));
  }

  /** Asks for what every entry of the store will need, so that it comes along with the entry. */
  ahead(): Promise<unknown> | undefined {
    if (!this.lazy) return undefined;
    const asked = this.#commands.get(this.#wire(all));
    asked.catch(() => {});
    return asked;
  }

  /**
   * What stands behind the tags; `null` where one of them was invalidated. A damaged header is left for the codec, which says so.
   * Redis: GET of each tag, coalesced.
   */
  async open(stored: Stored, ahead?: Promise<unknown>): Promise<Stored | null> {
    // Without a generation nobody could say whether a lazy clear meant it too.
    if (!isTagged(stored)) return this.lazy ? null : stored;
    const header = tagHeader(stored);
    if (!header) return stored;
    return (await this.#current(header.stamps, ahead)) ? stored.subarray(header.length) : null;
  }

  /** `open` for many, `null` staying `null`. */
  async openMany(found: readonly (Stored | null)[], ahead?: Promise<unknown>): Promise<(Stored | null)[]> {
    const headers = found.map((stored) => (stored !== null && isTagged(stored) ? tagHeader(stored) : undefined));
    const now = await this.#generations(new Set(headers.flatMap((header) => (header ? Array.from(header.stamps.keys()) : []))), ahead);
    return found.map((stored, i) => {
      const header = headers[i];
      if (header) return isCurrent(header.stamps, now) ? (stored as Buffer).subarray(header.length) : null;
      return stored !== null && (isTagged(stored) || !this.lazy) ? stored : null;
    });
  }

  /**
   * The generations of the tags as they are now, made where there are none, for an entry that Redis keeps for `life`. Read before the value
   * is computed, so that an invalidation meanwhile wins. Redis: GET of each, coalesced; a script for a tag that is new or has to live longer.
   */
  async stamps(tags: readonly string[], life: WireTtl): Promise<Stamps> {
    const names = this.lazy ? [all, ...tags] : tags;
    if (names.length === 0) return new Map();
    const ids = await this.#stamps.read(names, life);
    return new Map(names.map((name, i) => [name, ids[i] as string]));
  }

  /**
   * The value with its tags in front; as it is where it has none. `life`: how long Redis keeps the entry. `earlier`: stamps that were read
   * before, for an entry whose time to live was not known then.
   */
  sealed(value: MaybePromise<Stored>, tags: readonly string[], life: WireTtl, earlier?: Stamps): MaybePromise<Stored> {
    if (tags.length === 0 && !this.lazy) return value;
    const later = tags.filter((tag) => !earlier?.has(tag));
    // The caller does not wait for it: where it fails, the entry is a miss before its time.
    if (earlier) this.#extend(earlier, life)?.catch(() => {});
    if (earlier && later.length === 0 && !(value instanceof Promise)) return withTags(earlier, value);
    const stamps = earlier && later.length === 0 ? earlier : this.stamps(later, life);
    return Promise.all([value, stamps]).then(([stored, read]) => withTags(new Map([...read, ...(earlier ?? [])]), stored));
  }

  /**
   * Sees to it that the tags of an entry live as long as the entry, which has been given `ttl` and its stale window. `head`: the beginning
   * of the entry. Redis: a script for each tag that is not known to live as long.
   */
  async outlast(wire: string, head: Buffer, ttl: WireTtl): Promise<void> {
    const header = tagHeader(head) ?? (await this.#headerOf(wire));
    if (header) await this.#extend(header.stamps, ttl === undefined ? undefined : ttl + (agingOf(head)?.staleFor ?? 0));
  }

  /** @throws {ArgumentError} where the keys of the store leave no place for tags */
  checkPlace(): void {
    if (this.#keys.tags) return;
    throw new ArgumentError('there is no place for tags where `keyFunction` or a literal `keyPrefix` makes the keys: leave `tags` out');
  }

  /** The keys of all tags were deleted with the entries. */
  cleared(): void {
    this.#memory.cleared();
  }

  /** Makes every entry with one of the tags stale. Redis: UNLINK of as many keys as there are tags. */
  async invalidate(tags: readonly string[]): Promise<void> {
    checkTags(tags);
    await this.#invalidate(tags);
  }

  /** Makes every entry of the store stale. */
  async invalidateAll(): Promise<void> {
    if (!this.lazy)
      throw new UnsupportedError('`clear({ lazy: true })` needs the option `lazyClear: true`, in every store that shares the keys');
    await this.#invalidate([all]);
  }

  /**
   * Stores where nothing is, or nothing that `get` would find. `goOn` is called before each step but the first. Redis: SET NX; where that
   * finds something: GETRANGE of its beginning; where that may be stale: PTTL, GET, GET of its tags and a compare-and-set script.
   */
  async add(key: string, value: MaybePromise<Stored>, ttl: WireTtl, tagged: boolean, goOn: GoOn): Promise<boolean> {
    if (await this.#commands.add(key, value, ttl)) return true;
    if (!tagged && !this.exact) {
      goOn();
      const [head] = await this.#commands.heads([key], beginning);
      if (!head || !(mayBeStale(head) || isTagged(head))) return false;
    }
    goOn();
    const { stored: there, left } = await this.#commands.getWithTtl(key);
    goOn();
    if (there === null) return this.#commands.add(key, value, ttl);
    const stale = left >= 0 && left <= (agingOf(there)?.staleFor ?? 0);
    if (!stale && (!this.concern(there) || (await this.open(there)) !== null)) return false;
    goOn();
    if (await this.#commands.replace(key, there, await value, ttl)) return true;
    // It is another's now, or has ended.
    goOn();
    return this.#commands.add(key, value, ttl);
  }

  /** Which of the entries are there and count, within one deadline. Redis: GETRANGE of their beginnings, pipelined, and GET of their tags. */
  living(wires: readonly string[]): Promise<boolean[]> {
    return answeredWithin(this.#living(wires), this.#timeout * Math.ceil(wires.length / batch));
  }

  async #living(wires: readonly string[]): Promise<boolean[]> {
    const heads = await this.#heads(wires);
    return Promise.all(
      heads.map(async ({ key, head, header }) => {
        if (header) return this.#current(header.stamps);
        // What has no beginning may be empty, which is no reason not to be there.
        return !this.lazy && (head === null ? this.#commands.has(key) : !isTagged(head));
      }),
    );
  }

  /**
   * The answer about an entry, or `gone` where its tags say so and an option says that there are some. Both are asked for at once, so
   * that calls on one key keep their order: what is done to an entry that is stale harms nobody.
   */
  ifAlive<T>(wire: string, answer: Promise<T>, gone: T): Promise<T> {
    if (!this.exact) return answer;
    return Promise.all([answer, this.living([wire])]).then(([given, [alive]]) => (alive ? given : gone));
  }

  /**
   * Deletes those of the entries that a lazy clear has made stale. Redis: GETRANGE of their beginnings, pipelined; GET of the generation;
   * and for each that is stale a script that deletes it where it still is the same.
   */
  async sweep(wires: readonly string[]): Promise<number> {
    const heads = await this.#heads(wires);
    // Asked for after the entries: an id that is not the generation now was it before, and never will be again.
    const generation = await this.#commands.get(this.#wire(all));
    const stale = heads.flatMap(({ key, head, header }) => {
      const id = header?.stamps.get(all);
      if (!head || !header || id === undefined || id === String(generation)) return [];
      return [{ key, head: head.subarray(0, header.length) }];
    });
    return stale.length === 0 ? 0 : this.#commands.sweepHeads(stale);
  }

  async #heads(wires: readonly string[]): Promise<{ key: string; head: Buffer | null; header: TagHeader | undefined }[]> {
    const heads = await this.#commands.heads(wires, headLength);
    return Promise.all(
      wires.map(async (key, i) => {
        let head = heads[i] ?? null;
        let header = head && isTagged(head) ? tagHeader(head) : undefined;
        if (head && !header && head.length >= headLength && isTagged(head)) {
          const whole = await this.#commands.get(key);
          head = whole !== null && isTagged(whole) ? whole : null;
          header = head ? tagHeader(head) : undefined;
        }
        return { key, head, header };
      }),
    );
  }

  /** The header of an entry whose beginning does not hold all of it. */
  async #headerOf(wire: string): Promise<TagHeader | undefined> {
    const whole = await this.#commands.get(wire);
    return whole !== null && isTagged(whole) ? tagHeader(whole) : undefined;
  }

  async #current(stamps: Stamps, ahead?: Promise<unknown>): Promise<boolean> {
    return isCurrent(stamps, await this.#generations(stamps.keys(), ahead));
  }

  /** What the tags are now. Asked for in one tick they leave as one MGET, with those of other entries of this tick. */
  async #generations(names: Iterable<string>, ahead?: Promise<unknown>): Promise<Stamps> {
    const list = [...names];
    const ids = await Promise.all(list.map((name) => (name === all && ahead) || this.#commands.get(this.#wire(name))));
    return new Map(list.flatMap((name, i) => (ids[i] === null ? [] : [[name, String(ids[i])] as const])));
  }

  #extend(stamps: Stamps, life: WireTtl): Promise<unknown> | undefined {
    return this.#stamps.extend([...stamps.keys()], life);
  }

  async #invalidate(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const each = [...new Set(names)];
    const wires = each.map((name) => this.#wire(name));
    this.#memory.invalidated(each);
    await this.#commands.del(wires);
  }

  #wire(name: string): string {
    this.checkPlace();
    return (this.#keys.tags as TagSpace).toWire(name);
  }
}

function isCurrent(stamps: Stamps, now: Stamps): boolean {
  for (const [name, id] of stamps) if (now.get(name) !== id) return false;
  return true;
}

/** Checks what a caller gives as tags. */
export function checkTags(tags: unknown): readonly string[] {
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string' && tag !== '' && tag.isWellFormed())) {
    throw new ArgumentError(expected('tags', 'an array of strings that are not empty', tags));
  }
  return tags;
}
