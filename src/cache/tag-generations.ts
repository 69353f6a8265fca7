import type { TagGenerations } from '../codec/entry.js';
import { idIn, newId } from '../codec/generation.js';
import type { OrderedCommands } from '../commands/commands.js';
import type { NearTier } from '../near/tier.js';
import { nextTick, performance } from '../time/clock.js';
import type { Milliseconds, RedisTtl } from '../ttl.js';

/** How long the key of a tag outlives its entry at least: the entry is written later, and its time counts from then. */
const minMargin: Milliseconds = 250;

/** Where generations come from. */
interface TagSources {
  readonly commands: Pick<OrderedCommands, 'get' | 'ensureGeneration'>;
  readonly near?: Pick<NearTier, 'find'> | undefined;
  readonly tagMemory: TagMemory;
}

/**
 * Reads the generations that new entries carry. The key of a tag lives half as long again as the longest entry that carries it, so that it
 * is rarely extended. While the process knows that it lives long enough, a read is a GET.
 */
export class TagReader {
  readonly #commands: TagSources['commands'];
  readonly #near: TagSources['near'];
  readonly #memory: TagMemory;
  readonly #keyOf: (tag: string) => string;
  /** The reads of this tick that are not answered, by tag, each with the round that it began in. */
  readonly #reads = new Map<string, { readonly id: Promise<string>; readonly round: number }>();

  /** `keyOf`: the key of a tag in Redis. */
  constructor({ commands, near, tagMemory }: TagSources, keyOf: (tag: string) => string) {
    this.#commands = commands;
    this.#near = near;
    this.#keyOf = keyOf;
    this.#memory = tagMemory;
  }

  /** What `read` gives, if the near tier holds the generation of every tag, each of which lives long enough. */
  findNear(tags: readonly string[], life: RedisTtl): TagGenerations | undefined {
    if (this.#near === undefined) return undefined;
    const now = performance.now();
    const generations = new Map<string, string>();
    for (const tag of tags) {
      const entry = this.#memory.livesFor(tag, now, life) ? this.#near.find(this.#keyOf(tag), now)?.entry : undefined;
      const id = entry?.found ? idIn(String(entry.bytes)) : undefined;
      if (id === undefined || !this.#memory.isAbout(tag, id)) return undefined;
      generations.set(tag, id);
    }
    return generations;
  }

  /** The generations of these tags, made if there are none, for an entry that lives for `life`. */
  async read(tags: readonly string[], life: RedisTtl): Promise<TagGenerations> {
    const read = this.#memory.begin(tags);
    try {
      const now = performance.now();
      const ids = await Promise.all(tags.map((tag) => this.#share(tag, now, life)));
      return new Map(tags.map((tag, i) => [tag, read.invalidated.has(tag) ? newId() : (ids[i] as string)]));
    } finally {
      this.#memory.end(read);
    }
  }

  /** Lets the keys of these tags live for `life`, if they exist. `undefined` if that is known. */
  extend(tags: readonly string[], life: RedisTtl): Promise<unknown> | undefined {
    const now = performance.now();
    const due = tags.filter((tag) => !this.#memory.livesFor(tag, now, life));
    return due.length === 0 ? undefined : Promise.all(due.map((tag) => this.#ensure(tag, undefined, now, life)));
  }

  /** One read for all writes of a tick. */
  #share(tag: string, now: Milliseconds, life: RedisTtl): Promise<string> {
    const isLongLived = this.#memory.livesFor(tag, now, life);
    const shared = this.#reads.get(tag);
    if (shared && isLongLived && shared.round === this.#memory.round) return shared.id;
    if (this.#reads.size === 0) nextTick(() => this.#reads.clear());
    const read = { id: isLongLived ? this.#get(tag, now, life) : this.#make(tag, now, life), round: this.#memory.round };
    this.#reads.set(tag, read);
    const answered = (): void => {
      if (this.#reads.get(tag) === read) this.#reads.delete(tag);
    };
    read.id.then(answered, answered);
    return read.id;
  }

  async #get(tag: string, now: Milliseconds, life: RedisTtl): Promise<string> {
    const entry = await this.#commands.get(this.#keyOf(tag));
    const id = entry.found ? idIn(String(entry.bytes)) : undefined;
    // If another process has made it anew, it may expire before the entry.
    return id !== undefined && this.#memory.isAbout(tag, id) ? id : this.#make(tag, now, life);
  }

  async #make(tag: string, now: Milliseconds, life: RedisTtl): Promise<string> {
    const id = newId();
    return (await this.#ensure(tag, id, now, life)) ?? id;
  }

  async #ensure(tag: string, id: string | undefined, now: Milliseconds, life: RedisTtl): Promise<string | undefined> {
    const time = life === undefined ? undefined : life + Math.ceil(Math.max(life / 2, minMargin));
    const known = this.#memory.extended(tag, now, time);
    try {
      const content = await this.#commands.ensureGeneration(this.#keyOf(tag), id, time);
      known.id = content === undefined ? undefined : idIn(content);
      return known.id;
    } catch (error) {
      this.#memory.forget(tag);
      throw error;
    }
  }
}

/** Half of the tags that the process remembers, about 100 bytes each. */
const maxYoung = 10_000;

/** What the process knows of the key of a tag. */
export interface KnownTag {
  /** Until when it lives at least, on the monotonic clock. */
  readonly until: Milliseconds;
  /** Its generation; `undefined` until Redis has answered. */
  id: string | undefined;
}

/** A read of generations under way. */
export interface GenerationsRead {
  readonly tags: readonly string[];
  /** Tags that this process has invalidated since it began. */
  readonly invalidated: Set<string>;
}

/**
 * What all views of a store know of its tags. It may be wrong without harm: a tag that expires early, or that another process has
 * deleted, makes entries miss and never brings one back.
 */
export class TagMemory {
  /** Counts invalidations: reads from before the last one are not shared. */
  round = 0;
  #young = new Map<string, KnownTag>();
  /** Earlier ones, dropped together when there are as many young ones: to find the oldest of a map takes a search. */
  #old = new Map<string, KnownTag>();
  readonly #underWay = new Set<GenerationsRead>();

  /** Whether the key of the tag is known to live for `life` from `now` on. */
  livesFor(tag: string, now: Milliseconds, life: RedisTtl): boolean {
    const known = this.#find(tag);
    return known !== undefined && known.until >= (life === undefined ? Number.POSITIVE_INFINITY : now + life);
  }

  /** Whether this knowledge is about the key that holds this id, not about one that another process has invalidated. */
  isAbout(tag: string, id: string): boolean {
    const known = this.#find(tag);
    return known !== undefined && (known.id === undefined || known.id === id);
  }

  extended(tag: string, now: Milliseconds, life: RedisTtl): KnownTag {
    if (this.#young.size >= maxYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    const known = { until: life === undefined ? Number.POSITIVE_INFINITY : now + life, id: undefined };
    this.#young.set(tag, known);
    return known;
  }

  forget(tag: string): void {
    this.#young.delete(tag);
    this.#old.delete(tag);
  }

  begin(tags: readonly string[]): GenerationsRead {
    const read = { tags, invalidated: new Set<string>() };
    this.#underWay.add(read);
    return read;
  }

  end(read: GenerationsRead): void {
    this.#underWay.delete(read);
  }

  invalidated(tags: readonly string[]): void {
    this.round++;
    const gone = new Set(tags);
    for (const tag of gone) this.forget(tag);
    for (const read of this.#underWay) for (const tag of read.tags) if (gone.has(tag)) read.invalidated.add(tag);
  }

  /** The keys of all tags were deleted with the entries. */
  cleared(): void {
    this.round++;
    this.#young.clear();
    this.#old.clear();
  }

  #find(tag: string): KnownTag | undefined {
    return this.#young.get(tag) ?? this.#old.get(tag);
  }
}
