import { randomBytes } from 'node:crypto';
import type { OrderedCommands } from '../commands/in-order.js';
import { nextTick, performance } from '../connection/real-time.js';
import type { Milliseconds, WireTtl } from '../ttl.js';
import type { TagMemory } from './tag-memory.js';

/** The least by which the key of a tag outlives its entry: the entry is written later, and Redis counts from then. */
const leastMargin: Milliseconds = 250;

/** A question for a generation that other writes of the same tick share. */
interface Asked {
  readonly id: Promise<string>;
  readonly round: number;
}

/**
 * The generations that entries are stamped with. The key of a tag lives half as long again as the longest entry that carries it, so that
 * extending it is rare. While the process knows that it lives long enough, stamping is a GET.
 */
export class TagStamps {
  readonly #commands: Pick<OrderedCommands, 'get' | 'stamp'>;
  readonly #memory: TagMemory;
  readonly #keyOf: (tag: string) => string;
  /** What was asked for in this tick and is not answered, by tag. */
  readonly #asked = new Map<string, Asked>();

  /** `keyOf`: the key of a tag in Redis. */
  constructor(commands: Pick<OrderedCommands, 'get' | 'stamp'>, memory: TagMemory, keyOf: (tag: string) => string) {
    this.#commands = commands;
    this.#keyOf = keyOf;
    this.#memory = memory;
  }

  /** The ids of these tags, made where there are none, for an entry that lives for `life`. */
  async read(tags: readonly string[], life: WireTtl): Promise<string[]> {
    const stamping = this.#memory.begin(tags);
    try {
      const now = performance.now();
      const ids = await Promise.all(tags.map((tag) => this.#ask(tag, now, life)));
      return stamping.stale.size === 0 ? ids : ids.map((id, i) => (stamping.stale.has(tags[i] as string) ? newId() : id));
    } finally {
      this.#memory.end(stamping);
    }
  }

  /** Sees to it that the keys of these tags live for `life`, where they are still there. `undefined` where that is known. */
  extend(tags: readonly string[], life: WireTtl): Promise<unknown> | undefined {
    const now = performance.now();
    const due = tags.filter((tag) => !this.#memory.covers(tag, now, life));
    return due.length === 0 ? undefined : Promise.all(due.map((tag) => this.#stamp(tag, undefined, now, life)));
  }

  /** One question for all writes of a tick. */
  #ask(tag: string, now: Milliseconds, life: WireTtl): Promise<string> {
    const covered = this.#memory.covers(tag, now, life);
    const asked = this.#asked.get(tag);
    if (asked && covered && asked.round === this.#memory.round) return asked.id;
    if (this.#asked.size === 0) nextTick(() => this.#asked.clear());
    const question = { id: covered ? this.#get(tag, now, life) : this.#make(tag, now, life), round: this.#memory.round };
    this.#asked.set(tag, question);
    const answered = (): void => {
      if (this.#asked.get(tag) === question) this.#asked.delete(tag);
    };
    question.id.then(answered, answered);
    return question.id;
  }

  async #get(tag: string, now: Milliseconds, life: WireTtl): Promise<string> {
    const stored = await this.#commands.get(this.#keyOf(tag));
    const id = stored === null ? undefined : String(stored);
    // Made anew by another process, it may end before the entry.
    return id !== undefined && this.#memory.isAbout(tag, id) ? id : this.#make(tag, now, life);
  }

  async #make(tag: string, now: Milliseconds, life: WireTtl): Promise<string> {
    const id = newId();
    return (await this.#stamp(tag, id, now, life)) ?? id;
  }

  async #stamp(tag: string, id: string | undefined, now: Milliseconds, life: WireTtl): Promise<string | undefined> {
    const time = life === undefined ? undefined : life + Math.ceil(Math.max(life / 2, leastMargin));
    const known = this.#memory.extended(tag, now, time);
    try {
      known.id = await this.#commands.stamp(this.#keyOf(tag), id, time);
      return known.id;
    } catch (error) {
      this.#memory.forget(tag);
      throw error;
    }
  }
}

/** 96 random bits: no two are ever the same. */
function newId(): string {
  return randomBytes(12).toString('base64url');
}
